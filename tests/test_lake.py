import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from getmore_assets.delta_commits import storable
from getmore_assets.delta_versions import delta_data_version
from getmore_assets.lake import Lake, TableRef, unfinished
from getmore_assets.pieces import vectors_of


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [str(v) for v in values], "value": list(values)})


def test_a_partition_is_replaced_and_the_others_stay(lake):
    lake.replace("t", rows(1, 2), {"target": "a"}, {})
    first = lake.replace("t", rows(3), {"target": "b"}, {})
    second = lake.replace("t", rows(4), {"target": "a"}, {"dagster_run_id": "r"})
    assert sorted(pl.read_delta(lake.table("t"))["value"]) == [3, 4]
    assert sorted(first.scan().collect()["value"]) == [1, 2, 3]
    assert DeltaTable(second.path).history(1)[0]["dagster_run_id"] == "r"


def test_rows_are_written_in_pieces_and_again_if_another_writer_was_faster(lake):
    called = []

    def pieces():
        called.append(len(called))
        if len(called) == 1:  # another writer commits while the first piece is made
            lake.replace("t", pl.DataFrame({"x": [9]}), {"target": "b"}, {})
        for number in range(3):
            yield pl.DataFrame({"x": [number]})

    lake.replace("t", pl.DataFrame({"x": [7, 8]}), {"target": "a"}, {})
    table = lake.replace("t", pieces, {"target": "a"}, {})
    assert called == [0, 1]
    assert sorted(table.of_target("a").collect()["x"]) == [0, 1, 2]
    assert table.of_target("b").collect()["x"].to_list() == [9]


def test_a_column_that_is_new_since_the_table_was_made_is_null_elsewhere(lake):
    lake.replace("t", rows(1, 2), {"target": "a"}, {})
    lake.replace("t", rows(3).with_columns(more=pl.lit(0.5)), {"target": "b"}, {})
    lake.replace("t", rows(4), {"target": "c"}, {})
    assert dict(pl.read_delta(lake.table("t")).select("value", "more").rows()) == {1: None, 2: None, 3: 0.5, 4: None}


def test_rows_are_deleted_by_a_condition(lake):
    lake.append("t", rows(1, 2).with_columns(pool=pl.lit("p")), ["pool"], {})
    lake.append("t", rows(3).with_columns(pool=pl.lit("q")), ["pool"], {})
    lake.delete_where("t", "pool = 'p'", {})
    assert pl.read_delta(lake.table("t"))["value"].to_list() == [3]


def test_vectors_come_back_as_they_went(lake):
    vectors = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    lake.append("v", pl.DataFrame({"id": list("abcde"), "vector": vectors}), [], {})
    back = pl.read_delta(lake.table("v")).sort("id")
    assert back["vector"].dtype == pl.List(pl.Float32)
    assert np.array_equal(vectors_of(back), vectors)


def test_what_delta_cannot_keep_is_cast():
    frame = storable(pl.DataFrame({"a": pl.Series([1], dtype=pl.UInt32)}))
    assert frame["a"].dtype == pl.Int64


def test_a_table_that_is_gone_is_not_held(lake):
    ref = lake.replace("t", rows(1), {"target": "a"}, {})
    assert lake.holds(ref)
    assert not lake.holds(TableRef(ref.path, 99))
    assert not lake.holds(TableRef(lake.table("none"), 0))
    assert lake.latest("none") is None


def test_compaction_is_no_new_data(lake):
    for value in range(3):
        lake.append("t", rows(value), [], {})
    path = lake.table("t")
    before = delta_data_version(path)
    DeltaTable(path).optimize.compact()
    assert delta_data_version(path) == before
    lake.append("t", rows(9), [], {})
    assert delta_data_version(path) != before


def test_a_lake_that_cannot_be_written_to_is_locked_elsewhere(tmp_path, monkeypatch):
    lake = Lake(tmp_path / "lake")
    lake.folder("tables")
    monkeypatch.setattr(Lake, "is_writable", lambda _: False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "elsewhere"))
    with lake.lock("command", "t"):
        assert Lake(lake.root).is_locked("command", "t")
    assert [path.name for path in lake.root.iterdir()] == ["tables"]


def test_locks_of_two_kinds_share_no_file(tmp_path):
    lake = Lake(tmp_path)
    with lake.lock("stage", "create", "selected_subset"):
        assert not lake.is_locked("commit", "create-selected_subset")
        assert not lake.is_locked("stage", "create-selected_subset")


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_version_whose_file_is_not_as_long_as_it_was_written_is_not_held(lake, spoil):
    ref = lake.replace("t", rows(1), {"target": "a"}, {})
    (file,) = (lake.root / "tables/t").glob("*/*.parquet")
    spoil(file)
    assert not lake.holds(ref)


def test_a_file_being_written_has_a_name_of_its_own_beside_its_place(tmp_path):
    names = {unfinished(tmp_path / "fit.safetensors") for _ in range(100)}
    assert len(names) == 100  # though all are of one process id, as two hosts may have it
    assert {name.parent for name in names} == {tmp_path}
    assert all(name.name.startswith(".fit.safetensors.") and name.suffix == ".partial" for name in names)
