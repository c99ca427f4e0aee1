import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from getmore_assets.cleaning import clean, compact
from getmore_assets.delta_versions import delta_data_version
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records
from tests.conftest import getmore, write_task

NOW = datetime.now(UTC) + timedelta(hours=1)  # all that the tests make is older
YEAR_AGO = NOW - timedelta(days=365)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def put(lake: Lake, stage: str, run: str = "r", made_at: datetime = YEAR_AGO, **fields) -> Record:
    """Record a materialization; `made_at` is what counts for earlier ones."""
    given = {"table": None, "folders": {}, "lineage": {}, "facts": {}, **fields}
    record = Record(
        stage=stage,
        task="one",
        fingerprint=run,
        data_version="",
        code_version="1",
        inputs={},
        rows=0,
        seconds=0.0,
        peak_rss_mb=0.0,
        dagster_run_id=run,
        mlflow_run_id=None,
        mlflow_url=None,
        made_at=made_at.isoformat(),
        **given,
    )
    Records(lake, "one").put(record)
    return record


def replaced(lake: Lake, name: str, value: int):
    return lake.replace(name, pl.DataFrame({"id": ["a"], "x": [value]}), {"target": "one"}, {})


def held(ref) -> bool:
    try:
        return ref.scan().collect().height > 0
    except FileNotFoundError:
        return False


def test_versions_that_a_record_pins_stay_and_others_go(lake):
    versions = [replaced(lake, "target_data", value) for value in range(5)]
    pinned, of_input, today = versions[1], versions[2], versions[4]
    put(lake, "target_data", table=pinned)
    put(lake, "leakage", lineage={"table.target_data": f"{of_input.path}@v{of_input.version}"})
    found = clean(lake, NOW, delete=False)
    assert [waste.kind for waste in found] == ["version"] * 2
    assert all(map(held, versions))
    assert clean(lake, NOW, delete=True) == found
    assert [held(ref) for ref in versions] == [False, True, True, False, True]
    assert today.scan().collect()["x"].to_list() == [4]
    assert clean(lake, NOW, delete=True) == []


def test_what_an_earlier_record_pins_stays_as_long_as_it_is_young(lake):
    versions = [replaced(lake, "target_data", value) for value in range(3)]
    put(lake, "target_data", run="old", table=versions[0], made_at=YEAR_AGO)
    put(lake, "target_data", run="new", table=versions[1], made_at=NOW)
    put(lake, "target_data", run="last", table=versions[2], made_at=NOW)
    clean(lake, NOW, delete=True)
    assert [held(ref) for ref in versions] == [False, True, True]


def test_nothing_that_is_young_goes(lake):
    versions = [replaced(lake, "target_data", value) for value in range(3)]
    (lake.folder("models", "warmed_model", "abc") / "weights").write_text("w")
    lake.folder("work", "killed")
    assert clean(lake, datetime.now(UTC) - timedelta(days=1), delete=True) == []
    assert all(map(held, versions))


def test_pools_and_vectors_that_no_record_names_go(lake):
    for pool in ("named", "gone"):
        lake.keyed("raw_corpus", ("pool", pool), "id", {}).add(pl.DataFrame({"id": [f"{pool}{n}" for n in range(3)]}))
        (lake.folder("pools") / f"{pool}.json").write_text("{}")
    for encoder in ("named", "named-without", "fitted", "gone", "gone-without"):
        lake.keyed("embeddings", ("encoder", encoder), "id", {}).add(pl.DataFrame({"id": ["a"]}))
    (lake.folder("encoders") / "recipe.json").write_text(json.dumps({"key": "fitted"}))
    put(lake, "raw_corpus", facts={"pool": "named"}, table=lake.latest("raw_corpus"))
    put(lake, "embeddings", facts={"encoder": "named"})
    found = clean(lake, NOW, delete=True)
    assert {waste.path for waste in found if waste.kind == "rows"} == {
        "raw_corpus/pool=gone",
        "embeddings/encoder=gone",
        "embeddings/encoder=gone-without",
    }
    left = {name: lake.latest(name).scan().collect() for name in ("raw_corpus", "embeddings")}
    assert set(left["raw_corpus"]["pool"]) == {"named"}
    assert set(left["embeddings"]["encoder"]) == {"named", "named-without", "fitted"}
    assert [path.stem for path in (lake.root / "pools").iterdir()] == ["named"]
    assert Records(lake, "one").get("raw_corpus") is not None


def test_folders_that_no_record_names_go(lake):
    named, other = (lake.folder("models", "warmed_model", name) for name in ("named", "other"))
    for folder in (named, other, lake.folder("work", "killed"), lake.folder("damaged", "2020")):
        (folder / "file").write_text("x" * 100)
    (lake.folder("work", "busy") / "file").write_text("x")
    os.utime(lake.root / "work" / "busy" / "file", (NOW.timestamp(), NOW.timestamp()))
    put(lake, "warmed_model", folders={"model": str(named)})
    found = clean(lake, NOW, delete=True)
    assert [(waste.kind, Path(waste.path).name, waste.size) for waste in found] == [
        ("model", "other", 100),
        ("work", "killed", 100),
        ("damaged", "2020", 100),
    ]
    assert named.is_dir()
    assert (lake.root / "work" / "busy").is_dir()
    assert not other.exists()


def test_joined_files_hold_the_same_and_are_no_change(lake):
    writer = lake.keyed("embeddings", ("encoder", "e"), "id", {})
    for number in range(20):
        writer.add(pl.DataFrame({"id": [str(number)], "x": [number]}))
    pinned = lake.latest("embeddings")
    put(lake, "embeddings", facts={"encoder": "e"}, table=pinned)
    before = delta_data_version(pinned.path)
    assert compact(lake) == {"embeddings": 19}
    assert compact(lake) == {}
    assert delta_data_version(pinned.path) == before
    assert lake.latest("embeddings").scan().collect().sort("x").equals(pinned.scan().collect().sort("x"))
    assert writer.add(pl.DataFrame({"id": ["3", "20"], "x": [0, 20]})) == 1  # it had looked before
    other = lake.keyed("embeddings", ("encoder", "e"), "id", {})
    other.look()
    assert other.knows(pl.Series(map(str, range(22)))).tolist() == [True] * 21 + [False]
    clean(lake, NOW, delete=True)
    assert held(pinned)
    assert delta_data_version(pinned.path) != before  # a row came


def test_a_lake_at_work_is_left_alone(lake):
    replaced(lake, "target_data", 1)
    with lake.lock("stage", "one", "leakage"):
        assert clean(lake, NOW, delete=False) == []
        for act in (lambda: clean(lake, NOW, delete=True), lambda: compact(lake)):
            with pytest.raises(BadInput, match="a run works on it"):
                act()


def test_the_command_lists_first_and_deletes_when_told(lake, tmp_path):
    old = lake.folder("work", "killed")
    (old / "file").write_text("x" * 2**20)
    for path in (old / "file", old):
        os.utime(path, (YEAR_AGO.timestamp(), YEAR_AGO.timestamp()))
    fields = {"name": "one", "lake": str(lake.root), "candidates": [{"path": "p.parquet"}], "target": {"train": "t"}}
    file = write_task(tmp_path / "one.yaml", fields)
    done = getmore("clean", str(file))
    assert done.returncode == 0, done.stderr
    assert "work            1.0 MiB" in done.stderr
    assert f"1 found, 1.0 MiB could be deleted: getmore clean {file} --older-than 30 --delete" in done.stderr
    assert getmore("clean", str(file), "--older-than", "400", "--delete", "--json").stdout.count('"found": []')
    assert old.exists()
    done = getmore("clean", str(file), "--delete", "--json")
    assert not old.exists()
    said = json.loads(done.stdout)
    assert (said["deleted"], said["bytes"], said["found"][0]["kind"]) == (True, 2**20, "work")
    assert getmore("clean", str(file), "--older-than", "0").returncode == 2
    assert "there is no such lake" in getmore("clean", str(write_task(file, {**fields, "lake": "/nowhere"}))).stderr
