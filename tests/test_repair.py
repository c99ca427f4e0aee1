"""A lake damaged at rest: each damage is found by its kind and place, and healed; what is whole stays as it was."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from getmore_assets import damage
from getmore_assets.contents import contents_of
from getmore_assets.corpus.identity import content_id
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Record, Records, now, write_atomically
from getmore_assets.repair import repair_lake

TEXTS = ["One text.", "Another text.", "A third."]


def vectors(n: int) -> np.ndarray:
    drawn = np.random.default_rng(n).normal(size=(n, 64)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def record(lake: Lake, stage: str, **changes) -> Record:
    fields = dict.fromkeys(("fingerprint", "data_version", "code_version", "dagster_run_id"), "x")
    nothing = {name: {} for name in ("inputs", "lineage", "folders", "facts")}
    counts = {"rows": 1, "seconds": 0.0, "peak_rss_mb": 0.0}
    tracked = {"mlflow_run_id": None, "mlflow_url": None}
    made = Record(stage=stage, task="t", table=None, made_at=now(), **fields, **nothing, **counts, **tracked)
    made = Record(**{**made.__dict__, **changes})
    Records(lake, "t").put(made)
    return made


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A pool, vectors in two files, a fit, a selection that is exported, a model and a picture."""
    lake = Lake(tmp_path / "lake")
    pool = pl.DataFrame({"id": [content_id(text) for text in TEXTS], "text": TEXTS})
    lake.keyed("raw_corpus", ("pool", "p"), "id", {}).add(pool)
    record(lake, "raw_corpus", table=lake.latest("raw_corpus"))
    store.add(lake, "e", ["a", "b"], vectors(2), {})
    store.add(lake, "e", ["c"], vectors(1), {})
    record(lake, "embeddings", table=lake.latest(store.TABLE))
    fit = store.fitted_file(lake, "e")
    save_file({"idf": np.ones(1000, np.float32)}, fit)
    write_atomically(fit.with_suffix(".json"), json.dumps({"key": "e", "contents": contents_of(fit)}))
    chosen = pl.DataFrame({"id": ["a"], "text": ["x"], "rank": [1]})
    exported = lake.folder("exports", "t") / "selected.parquet"
    chosen.write_parquet(exported)
    left = {"folders": {"parquet": str(exported)}, "contents": {"parquet": contents_of(exported)}}
    record(lake, "selected_subset", table=lake.replace("selected_subset", chosen, {"target": "t"}, {}), **left)
    model, picture = lake.folder("models", "warmed_model", "m"), lake.folder("figures", "f") / "curve.png"
    save_file({"w": np.ones(1000, np.float32)}, model / "model.safetensors")
    picture.write_bytes(b"png")
    left = {"folders": {"model": str(model)}, "contents": {"model": contents_of(model)}}
    record(lake, "warmed_model", figures={"curve": str(picture)}, **left)
    assert list(damage.find(lake, deep=True)) == []
    return lake


def first(lake: Lake, pattern: str) -> Path:
    return max(lake.root.glob(pattern), key=lambda path: path.stat().st_size)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def rot(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[40:104] = bytes(255 - byte for byte in raw[40:104])
    path.write_bytes(raw)


def another(path: Path) -> None:
    path.write_text("[]", "utf-8")


def delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


VECTORS, POOL = "tables/embeddings/encoder=e/*.parquet", "tables/raw_corpus/pool=p/*.parquet"
DAMAGES = [
    ("log", "tables/embeddings/_delta_log/*0.json", cut),
    ("log", "tables/embeddings/_delta_log/*1.json", empty),
    ("log", "tables/embeddings/_delta_log/*0.json", delete),
    ("log", "tables/embeddings/_delta_log", delete),
    ("log", "tables/raw_corpus/_delta_log/*0.json", cut),
    ("rows", VECTORS, cut),
    ("rows", VECTORS, empty),
    ("rows", VECTORS, delete),
    ("rows", VECTORS, rot),
    ("rows", POOL, cut),
    ("rows", POOL, delete),
    ("rows", "tables/selected_subset/target=t/*.parquet", delete),
    ("record", "records/t/embeddings.json", cut),
    ("record", "records/t/raw_corpus.json", empty),
    ("record", "records/t/selected_subset.json", another),
    ("record", "records/t/earlier/embeddings/*.json", cut),
    ("fit", "encoders/e.safetensors", cut),
    ("fit", "encoders/e.safetensors", delete),
    ("fit", "encoders/e.safetensors", rot),
    ("export", "exports/t/selected.parquet", cut),
    ("export", "exports/t/selected.parquet", rot),
    ("export", "exports/t/selected.parquet", delete),
    ("model", "models/warmed_model/m/model.safetensors", cut),
    ("model", "models/warmed_model/m/model.safetensors", rot),
    ("model", "models/warmed_model/m", delete),
    ("figure", "figures", delete),
]


@pytest.mark.parametrize(("kind", "where", "spoil"), DAMAGES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_each_damage_is_found_and_healed(lake, kind, where, spoil):
    path = first(lake, where)
    spoil(path)
    found = list(damage.find(lake, deep=True))
    assert kind in {one.kind for one in found}
    assert all(one.since and one.depends and one.path.is_relative_to(lake.root) for one in found)
    assert repair_lake(lake)
    left = list(damage.find(lake, deep=True))  # an export is written by the next run
    assert [(one.kind, one.what) for one in left] == ([("export", "is gone")] if kind == "export" else [])


@pytest.mark.parametrize("spoil", [cut, delete])
def test_vectors_outlive_the_log_of_their_table(lake, spoil):
    before = dict(pl.read_delta(lake.table(store.TABLE)).select("id", "vector").rows())
    spoil(first(lake, "tables/embeddings/_delta_log/*0.json"))
    repair_lake(lake)
    assert dict(pl.read_delta(lake.table(store.TABLE)).select("id", "vector").rows()) == before


def test_a_version_that_a_record_of_the_lost_table_names_is_not_another_tables(lake):
    named = Records(lake, "t").get("embeddings").table
    cut(first(lake, "tables/embeddings/_delta_log/*0.json"))
    repair_lake(lake)
    assert not lake.holds(named)
    assert lake.latest(store.TABLE).version > named.version
    assert store.add(lake, "e", ["d"], vectors(1), {}) == 1
    assert pl.read_delta(lake.table(store.TABLE))["id"].n_unique() == 4


def test_rows_that_stand_twice_are_found_by_the_deep_look_and_stand_once_afterwards(lake):
    doubled = pl.read_delta(lake.table(store.TABLE)).head(2)
    lake.append(store.TABLE, doubled, ["encoder"], {})
    assert list(damage.find(lake)) == []
    (found,) = damage.find(lake, deep=True)
    assert (found.kind, "2 rows that the table has already" in found.what) == ("rows", True)
    repair_lake(lake)
    assert sorted(pl.read_delta(lake.table(store.TABLE))["id"]) == ["a", "b", "c"]


def test_a_record_of_a_version_that_never_was_gives_way_to_the_one_that_is_remembered(lake):
    path = lake.root / "records/t/embeddings.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "table": {**raw["table"], "version": 999}}))
    repair_lake(lake)
    assert json.loads(path.read_text())["table"] == raw["table"]


def test_a_store_that_is_no_database_is_set_aside(lake):
    for name in ("mlflow.db", "dagster/history/runs.db"):
        path = lake.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no database" * 1000)
    assert [one.kind for one in damage.find(lake)] == ["store", "store"]
    repair_lake(lake)
    assert not (lake.root / "mlflow.db").exists()
    assert not (lake.root / "dagster").exists()
    assert sorted(path.name for path in (lake.root / "damaged").glob("*/*")) == ["dagster", "mlflow.db"]


def test_runs_that_mlflow_does_not_know_any_more_are_named(lake, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    record(lake, "warmed_model", mlflow_run_id="r")
    assert [one.stage for one in damage.untracked(lake)] == ["warmed_model"]
    with sqlite3.connect(lake.root / "mlflow.db") as made:
        made.execute("CREATE TABLE runs (run_uuid TEXT)")
        made.execute("INSERT INTO runs VALUES ('r')")
    assert damage.untracked(lake) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    record(lake, "warmed_model", mlflow_run_id="of a server")
    assert damage.untracked(lake) == []


def test_nothing_is_repaired_under_a_run(lake):
    with lake.lock("stage", "t", "embeddings"), pytest.raises(BadInput, match="a run works on it"):
        repair_lake(lake)


@pytest.mark.parametrize("where", [VECTORS, "tables/embeddings/_delta_log/*1.json"])
def test_a_run_refuses_what_is_damaged_and_names_the_repair(lake, where):
    empty(first(lake, where))
    with pytest.raises(BadInput, match="getmore repair"):
        damage.require_undamaged(lake, "embeddings")
    damage.require_undamaged(lake, "raw_corpus")


def test_an_export_that_is_another_is_made_again_and_a_model_that_is_another_is_refused(lake):
    records = Records(lake, "t")
    assert records.get("selected_subset") is not None
    rot(lake.root / "exports/t/selected.parquet")
    assert records.get("selected_subset") is None
    rot(lake.root / "models/warmed_model/m/model.safetensors")
    with pytest.raises(BadInput, match="getmore repair"):
        records.get("warmed_model")


def test_exports_of_a_record_without_hashes_are_held_against_the_table(lake):
    left = Records(lake, "t").get("selected_subset")
    record(lake, "selected_subset", table=left.table, folders=left.folders, contents={})
    assert list(damage.find(lake)) == []
    pl.DataFrame({"id": ["b"], "text": ["y"], "rank": [1]}).write_parquet(left.folders["parquet"])
    assert [one.kind for one in damage.find(lake)] == ["export"]
    assert Records(lake, "t").get("selected_subset") is None  # so a run exports it again
