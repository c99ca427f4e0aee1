import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from getmore_assets import damage, records
from getmore_assets.lake import Lake
from getmore_assets.records import LaterVersionError, Record, Records, now, write_atomically


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def record(lake: Lake, **changes) -> Record:
    table = lake.replace("t", pl.DataFrame({"id": ["1"]}), {"target": "a"}, {})
    fields = {
        "stage": "s",
        "task": "a",
        "fingerprint": "f",
        "data_version": "d",
        "code_version": "1",
        "inputs": {"x": "1"},
        "lineage": {"table.x": "/x@v1"},
        "table": table,
        "folders": {},
        "rows": 1,
        "facts": {"k": [1]},
        "seconds": 0.1,
        "peak_rss_mb": 1.0,
        "dagster_run_id": "r",
        "mlflow_run_id": None,
        "mlflow_url": None,
        "made_at": now(),
    }
    return Record(**{**fields, **changes})


def test_a_record_comes_back(lake):
    made = record(lake)
    Records(lake, "a").put(made)
    assert Records(lake, "a").get("s") == made
    assert Records(lake, "b").get("s") is None


def test_a_record_says_what_it_adds_to_the_lineage(lake):
    made = record(lake, facts={"selection_hash": "h"}, mlflow_run_id="m")
    assert made.own_tags() == {
        "table.s": f"{made.table.path}@v{made.table.version}",
        "run.s": "m",
        "selection_hash": "h",
    }


def test_a_record_whose_table_or_folder_is_gone_does_not_count(lake, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    records = Records(lake, "a")
    records.put(record(lake, folders={"model": str(folder)}))
    assert records.get("s") is not None
    folder.rmdir()
    assert records.get("s") is None
    records.put(record(lake))
    shutil.rmtree(lake.table("t"))
    assert records.get("s") is None


def test_makings_are_remembered_in_order_also_when_what_they_made_is_gone(lake):
    records = Records(lake, "a")
    assert not records.was_materialized("s")
    for rows, day in ((2, "02"), (3, "03"), (1, "01")):
        records.put(record(lake, fingerprint=day, rows=rows, made_at=f"2026-01-{day}T00:00:00+00:00"))
    shutil.rmtree(lake.table("t"))
    assert [one.rows for one in records.materializations("s")] == [1, 2, 3]
    assert records.was_materialized("s")
    assert records.materializations("other") == []


def test_a_file_is_replaced_whole(tmp_path: Path):
    write_atomically(tmp_path / "a", "one")
    write_atomically(tmp_path / "a", "two")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "two"


def test_a_picture_that_is_gone_costs_no_making(lake):
    picture = lake.root / "picture.png"
    picture.write_bytes(b"png")
    Records(lake, "a").put(record(lake, figures={"picture": str(picture)}))
    picture.unlink()
    assert Records(lake, "a").get("s") is not None


def test_a_link_where_a_file_is_about_to_be_written_is_not_followed(tmp_path, monkeypatch):
    outside, path = tmp_path / "outside", tmp_path / "record.json"
    outside.write_text("mine")
    path.symlink_to(outside)
    link = tmp_path / "link"
    link.symlink_to(outside)
    with monkeypatch.context() as patch:
        patch.setattr(records, "unfinished", lambda _path: link)  # as if its name had been guessed
        with pytest.raises(FileExistsError):
            write_atomically(path, "new")
    write_atomically(path, "new")
    assert (outside.read_text(), path.read_text(), path.is_symlink()) == ("mine", "new", False)


def test_a_record_of_a_later_schema_is_refused_by_name_and_one_with_a_field_more_is_read(lake):
    made = record(lake)
    Records(lake, "a").put(made)
    (path,) = (lake.root / "records" / "a").glob("s.json")
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"a_field_of_tomorrow": 1}))
    assert Records(lake, "a").get("s") == made
    path.write_text(json.dumps(raw | {"schema": records.SCHEMA + 1}))
    with pytest.raises(LaterVersionError, match="written by a later version of getmore-assets"):
        Records(lake, "a").last("s")
    with pytest.raises(LaterVersionError):  # whole, so nothing that repair may set aside
        list(damage.find(lake))
    del raw["schema"]  # as every record of before
    path.write_text(json.dumps(raw))
    assert Records(lake, "a").get("s") == made
