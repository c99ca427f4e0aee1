import gzip

import numpy as np
import polars as pl
import pytest
import zstandard

from getmore_assets.config import Imported, Task
from getmore_assets.corpus import pool_rows
from getmore_assets.corpus.identity import content_id
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
    return pool_rows.passages_of(frame, 1000)["id"].to_list()


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


SEVERAL = ["cot, 1, 0.5", "flan_v2, 1, 7", "flan_v2, 0, 0.25", "cot, 0, 2"]  # as LESS writes `sorted.csv`


@pytest.fixture
def several(tmp_path):
    """LESS's choice from two files, the fields that say so, and a task whose candidates they are."""
    pl.DataFrame({"text": TEXTS[:2]}).write_ndjson(tmp_path / "flan_v2_data.jsonl")
    pl.DataFrame({"text": TEXTS[2:]}).write_ndjson(tmp_path / "cot_data.jsonl")
    (tmp_path / "sorted.csv").write_text("\n".join(["file name, index, score", *SEVERAL]))
    pools = {name: str(tmp_path / f"{name}_data.jsonl") for name in ("flan_v2", "cot")}
    task = Task(name="t", candidates=[str(tmp_path / "*.jsonl")], target={"train": "t.jsonl"})
    return {"path": str(tmp_path / "sorted.csv"), "index": "index", "file_name": "file name", "pools": pools}, task


def test_places_that_less_counts_within_each_of_several_files_are_looked_up_there(several):
    fields, task = several
    assert imported.read(Imported(**fields), task)["id"].to_list() == ids(3, 1, 0, 2)  # the file's order
    assert imported.read(Imported(**fields, score="score"), task)["id"].to_list() == ids(1, 2, 3, 0)


def test_places_are_never_looked_up_in_a_file_that_is_not_said_to_be_theirs(several, tmp_path):
    fields, task = several
    less, flan, cot = fields["path"], *fields["pools"].values()
    np.save(tmp_path / "chosen.npy", np.array([1]))
    two = Task(name="t", candidates=[flan, cot], target={"train": "t.jsonl"})

    def refused(task, **fields):
        with pytest.raises(BadInput) as refusal:
            imported.read(Imported(**fields), task)
        return str(refusal.value)

    said = refused(task, **{**fields, "pools": {"flan_v2": flan, "Cot": cot}})
    assert "sorted.csv:2: `file name` is 'cot', which is no name in `imported.pools`" in said
    untold = [
        (
            refused(task, path=less, index="index", pool=cot),
            "sorted.csv: numbers rows of several files, each from 0: cot, f",
        ),
        (refused(task, path=str(tmp_path / "chosen.npy")), "*.jsonl: is 2 files, but the row numbers in"),
        (refused(two, path=less, index="index"), "sorted.csv: numbers rows of several files"),
        (
            refused(two, path=str(tmp_path / "chosen.npy")),
            "chosen.npy: numbers rows of one pool file, but several are cand",
        ),
    ]
    # However far apart the names of two files stand.
    (tmp_path / "sorted.csv").write_text("file name, index\n" + "cot, 1\n" * 9000 + "flan_v2, 1\n")
    untold.append((refused(task, path=less, index="index", pool=cot), "numbers rows of several files"))
    for said, what in untold:
        assert what in said
        assert "as `imported.file_name`, and each file in `imported.pools`" in said


def test_a_place_outside_one_of_several_files_is_refused(several, tmp_path):
    fields, task = several
    (tmp_path / "sorted.csv").write_text("file name, index\nflan_v2, 0\ncot, 2\n")
    with pytest.raises(BadInput, match=r"sorted\.csv:3: place 2 is outside the 2 rows of .*cot_data\.jsonl"):
        imported.read(Imported(**fields), task)


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


def test_rows_stay_whole_where_those_of_the_pool_do(tmp_path):
    pl.DataFrame({"text": TEXTS, "vector": [[1.0]] * 4}).write_parquet(tmp_path / "pool.parquet")
    candidates = [{"path": str(tmp_path / "pool.parquet"), "vector": "vector"}]
    task = Task(name="t", candidates=candidates, target={"train": "t.jsonl"})
    np.save(tmp_path / "chosen.npy", np.array([2]))
    pl.DataFrame({"text": TEXTS[2:3]}).write_ndjson(tmp_path / "chosen.jsonl")
    for name in ("chosen.npy", "chosen.jsonl"):
        assert imported.read(Imported(path=str(tmp_path / name)), task)["id"].to_list() == [content_id(TEXTS[2])]


def test_our_own_ids(task, tmp_path):
    pl.DataFrame({"id": ids(1, 0), "rank": [1, 2]}).write_parquet(tmp_path / "selected.parquet")
    chosen = Imported(path=str(tmp_path / "selected.parquet"), id="id")
    assert imported.read(chosen, task)["id"].to_list() == ids(1, 0)


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".tsv", ""])
def test_ids_and_places_are_read_wherever_rows_of_text_are(end, task, tmp_path):
    path = tmp_path / f"chosen{end}"
    rows = pl.DataFrame({"id": ids(1, 0), "index": [1, 0], "score": [0.5, 2]})
    if end == ".tsv":
        rows.write_csv(path, separator="\t")
    elif not end:
        rows.write_delta(path)
    else:
        pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
        path.write_bytes(pack(rows.write_ndjson().encode()))
    assert imported.read(Imported(path=str(path), id="id"), task)["id"].to_list() == ids(1, 0)
    assert imported.read(Imported(path=str(path), index="index"), task)["id"].to_list() == ids(1, 0)
    assert imported.read(Imported(path=str(path), index="index", score="score"), task)["id"].to_list() == ids(0, 1)


@pytest.mark.parametrize(
    ("rows", "fields", "said"),
    [
        (["0, 1", "two, 1"], {"index": "index"}, "a.csv:3: `index` is 'two', which is no number"),
        (["0, 1", "1.5, 1"], {"index": "index"}, "a.csv:3: `index` is '1.5', which is no whole number"),
        (["0, 1", "1, nan"], {"index": "index", "score": "score"}, "a.csv:3: `score` is 'nan', which is no number"),
        (["0, 1", "1,"], {"id": "index", "score": "score"}, "a.csv:3: `score` is '', which is no number"),
        (["a, 1", "b, high"], {"text": "index", "score": " score"}, "a.csv:3: ` score` is 'high', which is no number"),
        (["0, 1", "-1, 1"], {"index": "index"}, "a.csv:3: place -1 is outside the 4 rows"),
        ([], {"index": "index"}, "chooses no row"),
        ([], {"id": "index"}, "chooses no row"),
        ([], {"text": "index"}, "chooses no row"),
    ],
)
def test_a_row_that_says_nothing_usable_is_refused(rows, fields, said, task, tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(["index, score", *rows]))
    with pytest.raises(BadInput) as refusal:
        imported.read(Imported(path=str(tmp_path / "a.csv"), **fields), task)
    assert said in str(refusal.value)


def test_ids_are_never_numbers(task, tmp_path):
    pl.DataFrame({"id": [7]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"a\.parquet:1: `id` is 7, which is no id"):
        imported.read(Imported(path=str(tmp_path / "a.parquet"), id="id"), task)


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
    assert "no such file" in refused(path=str(tmp_path / "none.csv"), id="id")
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
