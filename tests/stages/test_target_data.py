"""The splits of a target, made again when they must be."""

import dagster as dg
import polars as pl

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import task_fields, write_task
from tests.defs.materializing import materialize


def test_what_is_done_about_leaks_decides_what_train_holds(sources, tmp_path):
    tested = pl.read_ndjson(sources / "test.jsonl").filter(pl.col("text").str.len_chars() > 300).head(1)
    near = tested.with_columns(pl.col("text") + " indeed")
    pl.concat([pl.read_ndjson(sources / "train.jsonl"), near]).write_ndjson(tmp_path / "train.jsonl")
    fields = task_fields(sources, tmp_path / "lake")
    fields["target"]["train"] = str(tmp_path / "train.jsonl")
    file = write_task(tmp_path / "tiny.yaml", fields)

    def train(leakage):
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("target", ["tiny"])
            made = materialize("target_data", file, instance, f"leakage={leakage}")
        assert made.success
        return Records(Lake(tmp_path / "lake"), "tiny").get("target_data").facts["rows"]["train"]

    dropped, allowed, again = train("drop"), train("allow"), train("drop")
    assert again == dropped < allowed == 121
