"""A source that changes while it is read: what was read of two versions is never taken for one of them."""

import dagster as dg
import polars as pl

from getmore_assets.corpus import target
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import task_fields, write_task
from tests.defs.materializing import materialize


def test_rows_of_a_later_version_are_not_recorded_under_the_earlier_one(sources, tmp_path, monkeypatch):
    train, first = tmp_path / "train.jsonl", (sources / "train.jsonl").read_text().splitlines(keepends=True)
    fields = task_fields(sources, tmp_path / "lake")
    fields["target"] = {**fields["target"], "train": str(train)}
    task, read = write_task(tmp_path / "tiny.yaml", fields), target.read_target
    versions = {"a": "".join(first[:40]), "b": "".join(first[40:])}
    swapped = []

    def swap_and_read(*given):
        if not swapped:
            swapped.append(train.write_text(versions["b"]))
        return read(*given)

    def trained_on() -> set[str]:
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("target", ["tiny"])
            made = materialize("target_data", task, instance)
        assert made.success
        ref = Records(Lake(tmp_path / "lake"), "tiny").get("target_data").table
        return set(ref.scan().filter(pl.col("split") == "train").collect()["text"])

    train.write_text(versions["a"])
    monkeypatch.setattr(target, "read_target", swap_and_read)
    of_b = trained_on()
    train.write_text(versions["a"])
    of_a = trained_on()
    assert of_a
    assert of_b
    assert not of_a & of_b
