import numpy as np
import polars as pl
import pytest

from getmore_assets.config import Imported, Task
from getmore_assets.corpus import pool
from getmore_assets.errors import BadInput
from getmore_assets.selection import imported

TEXTS = ["One text.", "Another  text.", "A third, rather longer text. " * 40, "The last of them."]


@pytest.fixture
def task(tmp_path):
    pl.DataFrame({"text": TEXTS}).write_parquet(tmp_path / "pool.parquet")
    return Task(name="t", candidates=[{"path": str(tmp_path / "pool.parquet")}], target={"train": "t.jsonl"})


def ids(*rows):
    """The content ids of the passages of some of the texts."""
    frame = pl.DataFrame({"text": [TEXTS[r] for r in rows], "origin": ["" for _ in rows]})
    return pool.passages_of(frame, 1000)["id"].to_list()


def test_rows_of_text_as_dsir_and_others_write_them(task, tmp_path):
    pl.DataFrame({"text": [TEXTS[3], TEXTS[2], TEXTS[3]], "meta": ["a", "b", "c"]}).write_ndjson(
        tmp_path / "dsir.jsonl"
    )
    found = imported.read(Imported(path=str(tmp_path / "dsir.jsonl")), task)
    assert found["id"].to_list() == ids(3, 2)  # a long row stands for its passages; one that comes twice counts once
    assert len(ids(2)) > 1
    assert found["origin"][0] == f"{tmp_path}/dsir.jsonl:1"


def test_scores_as_less_writes_them_order_the_rows_highest_first(task, tmp_path):
    (tmp_path / "less.csv").write_text("file name, index, score\npool, 0, -0.5\npool, 3, 2.25\npool, 1, 0.125\n")
    chosen = Imported(path=str(tmp_path / "less.csv"), index="index", score="score")
    assert imported.read(chosen, task)["id"].to_list() == ids(3, 1, 0)


def test_texts_with_scores(task, tmp_path):
    pl.DataFrame({"text": TEXTS[:2], "value": [0.5, 7.0]}).write_parquet(tmp_path / "scored.parquet")
    chosen = Imported(path=str(tmp_path / "scored.parquet"), score="value")
    assert imported.read(chosen, task)["id"].to_list() == ids(1, 0)


def test_index_arrays_with_the_pool_they_index(task, tmp_path):
    np.save(tmp_path / "chosen.npy", np.array([3, 0, 3], np.int32))
    assert imported.read(Imported(path=str(tmp_path / "chosen.npy")), task)["id"].to_list() == ids(3, 0)
    pl.DataFrame({"text": TEXTS[::-1]}).write_ndjson(tmp_path / "turned.jsonl")
    turned = Imported(path=str(tmp_path / "chosen.npy"), pool=str(tmp_path / "turned.jsonl"))
    assert imported.read(turned, task)["id"].to_list() == ids(0, 3)


def test_our_own_ids(task, tmp_path):
    pl.DataFrame({"id": ids(1, 0), "rank": [1, 2]}).write_parquet(tmp_path / "selected.parquet")
    chosen = Imported(path=str(tmp_path / "selected.parquet"), id="id")
    assert imported.read(chosen, task)["id"].to_list() == ids(1, 0)


def test_what_cannot_be_read_is_refused_by_name(task, tmp_path):
    def refused(**fields):
        with pytest.raises(BadInput) as error:
            imported.read(Imported(**fields), task)
        return str(error.value)

    np.save(tmp_path / "far.npy", np.array([0, 4]))
    assert "far.npy:2: place 4 is outside the 4 rows" in refused(path=str(tmp_path / "far.npy"))
    np.save(tmp_path / "floats.npy", np.array([0.5]))
    assert "holds float64" in refused(path=str(tmp_path / "floats.npy"))
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert "no column `index`" in refused(path=str(tmp_path / "a.csv"), index="index")
    assert "is no Parquet, JSONL or CSV file" in refused(path=str(tmp_path / "none.csv"), id="id")
    assert "no such file" in refused(path=str(tmp_path / "none.jsonl"))


def test_an_array_of_objects_is_never_unpickled(task, tmp_path):
    path, ran = tmp_path / "chosen.npy", tmp_path / "ran"

    class Harm:
        def __reduce__(self):
            return (ran.write_text, ("it ran",))

    np.save(path, np.array([Harm()], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match=r"cannot be read .*allow_pickle=False"):
        imported.read(Imported(path=str(path)), task)
    assert not ran.exists()
    path.write_bytes(b"no array")
    with pytest.raises(BadInput, match="cannot be read"):
        imported.read(Imported(path=str(path)), task)
