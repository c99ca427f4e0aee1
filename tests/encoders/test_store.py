import numpy as np
import polars as pl
import pytest

from getmore_assets import delta_commits
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake


@pytest.fixture
def table(tmp_path):
    lake = Lake(tmp_path)
    store.add(lake, "e", ["a", "b"], np.array([[1, 0], [0, 1]], np.float32), {})
    store.add(lake, "e", ["c"], np.array([[-1, 0]], np.float32), {})
    store.add(lake, "other", ["a"], np.array([[5, 5, 5]], np.float32), {})
    return lake.latest(store.TABLE)


def test_vectors_come_in_the_order_asked_for(table, tmp_path):
    assert store.load(table, "e", ["c", "a"]).tolist() == [[-1, 0], [1, 0]]
    assert store.load(table, "e", pl.Series(["c", "a"])).tolist() == [[-1, 0], [1, 0]]
    assert store.load(table, "e", ["c", "a", "c"]).tolist() == [[-1, 0], [1, 0], [-1, 0]]
    assert store.load(table, "e", ["b"], tmp_path / "v.npy").tolist() == [[0, 1]]
    assert sorted(store.encoded_ids(table, "e")["id"]) == ["a", "b", "c"]


def test_an_id_without_a_vector_is_an_error(table):
    for ids in (["a", "z"], pl.Series(["a", "z"])):
        with pytest.raises(LookupError, match="1 of 2 ids have no vector of encoder e, first z"):
            store.load(table, "e", ids)


def test_an_id_has_the_vector_that_was_written_first(table, tmp_path):
    lake = Lake(tmp_path)
    assert store.add(lake, "e", ["a", "d"], np.array([[9, 9], [0, -1]], np.float32), {}) == 1
    assert store.add(lake, "e", ["a"], np.array([[9, 9]], np.float32), {}) == 0
    assert store.load(lake.latest(store.TABLE), "e", ["a", "d"]).tolist() == [[1, 0], [0, -1]]


def test_an_id_with_several_vectors_is_an_error(table, tmp_path):
    lake = Lake(tmp_path)
    doubled = pl.DataFrame(
        {"encoder": ["e"], "id": ["a"], "vector": [[0.0, 1.0]]}, schema_overrides={"vector": pl.List(pl.Float32)}
    )
    lake.append(store.TABLE, doubled, ["encoder"], {})
    with pytest.raises(LookupError, match="several vectors"):
        store.load(lake.latest(store.TABLE), "e", ["a"])


@pytest.mark.parametrize("rotten", [[0.0, 1.5], [float("nan"), 1.0], [0.0, 0.0]])
def test_a_vector_of_another_length_than_1_is_refused_where_it_is_read(table, tmp_path, rotten):
    lake = Lake(tmp_path)
    store.add(lake, "e", ["r"], np.array([rotten], np.float32), {})
    with pytest.raises(BadInput, match=r"1 vectors of encoder e are not of length 1, first that of r\. Repair it"):
        store.load(lake.latest(store.TABLE), "e", ["a", "r"])
    assert store.load(lake.latest(store.TABLE), "e", ["a"]).tolist() == [[1, 0]]


def some(ids, first=1.0):
    return ids, np.array([[first, 0]] * len(ids), np.float32)


def test_shards_share_a_commit_until_time_or_bytes_are_enough(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    with store.Writer(lake, "e", {}) as writer:
        for shard in ("ab", "cd", "ef"):
            writer.add(*some(list(shard)))
        assert lake.latest(store.TABLE) is None
    assert lake.latest(store.TABLE).version == 0
    assert writer.written == 6
    monkeypatch.setattr(delta_commits, "_COMMIT_BYTES", 4 * 9)  # two vectors and ids are shorter, four are not
    with store.Writer(lake, "e", {}) as writer:
        for shard in ("gh", "ij", "ab"):
            writer.add(*some(list(shard)))
        assert lake.latest(store.TABLE).version == 1
    assert writer.written == 4  # a and b were there
    monkeypatch.setattr(delta_commits, "_COMMIT_S", 0)
    with store.Writer(lake, "e", {}) as writer:
        writer.add(*some(["k"]))
        writer.add(*some(["l"]))
        assert lake.latest(store.TABLE).version == 3
    assert store.load(lake.latest(store.TABLE), "e", ["l", "a"]).tolist() == [[1, 0], [1, 0]]


def test_what_was_encoded_before_an_error_is_kept(tmp_path):
    lake = Lake(tmp_path)
    with pytest.raises(ZeroDivisionError), store.Writer(lake, "e", {}) as writer:
        writer.add(*some(["a", "b"]))
        writer.add(["c"], np.zeros((1, 2), np.float32))
        raise ZeroDivisionError
    table = lake.latest(store.TABLE)
    assert sorted(store.encoded_ids(table, "e")["id"]) == ["a", "b"]
    assert store.without_vector(table, "e")["id"].to_list() == ["c"]
