import json

import polars as pl
import pytest

from getmore_assets.config import Source, Task
from getmore_assets.corpus import target
from getmore_assets.corpus.identity import content_id
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from tests.conftest import task_fields


def make(sources, tmp_path, label=None, **splits):
    """A task whose splits are written from lists of rows."""
    given = {}
    for split, rows in splits.items():
        path = tmp_path / f"{split}.jsonl"
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        given[split] = str(path)
    return Task.model_validate(task_fields(sources, tmp_path / "lake", target={**given, "label": label}))


def rows(*texts, label="a"):
    return [{"text": t, "label": label} for t in texts]


def test_train_rows_that_are_in_test_leave_train_and_are_listed(sources, tmp_path):
    task = make(
        sources, tmp_path, train=rows("one", "two", "three", "three"), validation=rows("four"), test=rows("two", "two")
    )
    frame, facts = target.read_target(task)
    assert frame.filter(frame["split"] == "train")["text"].to_list() == ["one", "three", "three"]
    assert facts.rows == {"train": 3, "validation": 1, "test": 2}
    assert [r["origin"].rsplit(":", 1)[1] for r in facts.left["train"]] == ["2"]


def test_validation_keeps_off_test_and_train_off_general_text(sources, tmp_path):
    task = make(
        sources, tmp_path, train=rows("one", "two", "five"), validation=rows("three", "four"), test=rows("four")
    )
    general = tmp_path / "general.jsonl"
    general.write_text('{"text": "five"}\n')
    frame, facts = target.read_target(task.model_copy(update={"general": Source(path=str(general))}))
    assert frame.filter(frame["split"] == "validation")["text"].to_list() == ["three"]
    assert frame.filter(frame["split"] == "train")["text"].to_list() == ["one", "two"]
    assert len(facts.left["validation"]) == len(facts.left["train"]) == 1


def test_the_negative_target_has_its_text_where_the_target_says(tmp_path):
    for name, column in (("train", "words"), ("negative", "words"), ("own", "body")):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({column: f"{name} {i}"}) + "\n" for i in range(20)))
    own = {"path": str(tmp_path / "own.jsonl"), "text": "body"}
    for negative, first in ((str(tmp_path / "negative.jsonl"), "negative 0"), (own, "own 0")):
        given = {"train": str(tmp_path / "train.jsonl"), "negative": negative, "text": "words"}
        frame, _ = target.read_target(Task(name="t", candidates=[{"path": "pool.jsonl"}], target=given))
        assert frame.filter(frame["split"] == "negative")["text"].to_list()[0] == first


def test_a_label_that_stands_once_stays_in_train(sources, tmp_path):
    given = [*rows(*(f"row {i}" for i in range(200))), *rows(*(f"odd {i}" for i in range(1)), label="rare")]
    frame, facts = target.read_target(make(sources, tmp_path, "label", train=given))
    assert "rare" in frame.filter(frame["split"] == "train")["label"].to_list()
    assert facts.labels == ["a", "rare"]


def test_missing_splits_are_held_out_of_train(sources, tmp_path):
    task = make(sources, tmp_path, train=rows(*(f"row {i}" for i in range(300))))
    frame, facts = target.read_target(task)
    assert facts.held_out_from_train == ["validation", "test"]
    assert sum(facts.rows.values()) == 300
    assert 10 < facts.rows["test"] < 60
    assert frame["id"].is_unique().all()
    assert not facts.left["train"]


@pytest.mark.parametrize(
    ("splits", "label", "said"),
    [
        ({"train": []}, None, "train split is empty"),
        ({"train": rows("only"), "validation": rows("x"), "test": rows("y")}, None, "1 usable row"),
        ({"train": rows("a", "b"), "validation": rows("x"), "test": rows("a", "b")}, None, "every row of target.train"),
        ({"train": rows("a", "b"), "validation": rows("x"), "test": rows("a", "c")}, None, "1 usable row"),
        ({"train": rows("a", "b"), "validation": rows("x"), "test": rows("c")}, "label", "train has 1 label"),
        (
            {"train": [*rows("a"), *rows("b", label="b")], "validation": rows("x"), "test": rows("c", label="new")},
            "label",
            "label `new` is in test but never in train",
        ),
        (
            {"train": [{"text": "a"}, {"text": "b"}], "validation": rows("x"), "test": rows("c")},
            "label",
            "no column `label`",
        ),
    ],
)
def test_a_target_that_cannot_be_used_is_refused(sources, tmp_path, splits, label, said):
    with pytest.raises(BadInput, match=said):
        target.read_target(make(sources, tmp_path, label, **splits))


def test_real_sets_overlap_a_little(shared_data, tmp_path):
    given = {
        s: str(shared_data / f"chemprot.{f}.jsonl")
        for s, f in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    fields = {"name": "c", "lake": str(tmp_path), "candidates": ["p.jsonl"]}
    task = Task.model_validate({**fields, "target": {**given, "label": "label"}})
    frame, facts = target.read_target(task)
    reasons = [row["reason"].split(" of ")[0] for row in facts.left["train"]]
    assert (
        sorted(reasons)
        == ["is evaluated on elsewhere"] * 4 + ["overlaps test: contained"] * 2 + ["overlaps test: near"] * 3
    )
    assert facts.rows["test"] == 3469
    assert len(facts.labels) == 13
    pool = pl.read_parquet(shared_data / "candidates.parquet", columns=["id", "text"])
    found = target.guard_of(frame).leaks(pool)
    assert found.select("kind", "split", "overlap").rows() == [("contained", "test", 0.55)]


def test_general_text_beyond_what_is_read_is_drawn_and_not_the_top_of_a_sorted_file(sources, tmp_path):
    lake = Lake(tmp_path / "lake")
    task = Task.model_validate(task_fields(sources, tmp_path / "lake"))
    texts = [f"{kind} {number}" for kind in ("news", "web") for number in range(100)]

    def drawn(texts, most):
        ids = [content_id(text) for text in texts]
        frame = pl.DataFrame({"split": "general", "row": range(len(texts)), "id": ids, "text": texts})
        table = lake.replace(target.TABLE, frame, {"target": task.name}, {})
        return target.general_texts(table, TableRef("none", 0), task, most)

    found = drawn(texts, 50)
    assert len(found) == 50
    assert 15 < sum(text.startswith("web") for text in found) < 35
    assert found == [text for text in texts if text in set(found)]  # in their order
    assert set(drawn(texts[::-1], 50)) == set(found)
    assert set(drawn(texts, 20)) < set(found)
    assert drawn(texts, 200) == drawn(texts, 1000) == texts


def test_the_splits_hang_on_what_is_done_with_leaks(sources, tmp_path):
    task = Task.model_validate(task_fields(sources, tmp_path / "lake"))
    assert target.recipe(task) == target.recipe(task.model_copy(update={"seeds": 7}))
    assert target.recipe(task) != target.recipe(task.model_copy(update={"leakage": "allow"}))


def test_a_chapter_is_cut_into_passages_and_a_long_row_of_a_table_is_not(sources, tmp_path, documents):
    texts = documents["text"].head(40).to_list()
    (tmp_path / "chapters").mkdir()
    for n in range(4):
        (tmp_path / "chapters" / f"{n}.tex").write_text("\n\n".join(texts[10 * n : 10 * n + 10]))
    task = Task.model_validate(task_fields(sources, tmp_path / "lake", target={"train": f"{tmp_path}/chapters/*.tex"}))
    frame, facts = target.read_target(task)
    assert frame.height > 4
    assert frame["text"].str.len_chars().max() <= task.corpus.passage_chars
    assert facts.sources[0].cut == 4
    shorter = task.model_copy(update={"corpus": task.corpus.model_copy(update={"passage_chars": 300})})
    assert target.recipe(shorter) != target.recipe(task)
    long = make(sources, tmp_path, train=rows(" ".join(texts), *texts))
    assert target.read_target(long)[1].sources[0].cut == 0
    assert target.recipe(long.model_copy(update={"corpus": shorter.corpus})) == target.recipe(long)
