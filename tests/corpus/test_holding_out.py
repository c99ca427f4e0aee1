"""Splits that are held out: of the asked size, near-duplicates together, the same whatever the order of the rows."""

import random

import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.corpus import holding_out, target
from getmore_assets.corpus.identity import content_id
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import getmore, task_fields, write_task

SPLITS = ["validation", "test"]


def frame(texts, labels=None):
    ids = [content_id(text) for text in texts]
    columns = {"id": ids, "text": texts, "label": labels or [None] * len(texts)}
    return pl.DataFrame(columns, schema_overrides={"label": pl.String})


def tickets(documents, sentences, count, seed):
    """Tickets of three sentences out of so many, with a number."""
    drawn = random.Random(seed)
    found = [s.strip() for t in documents["text"] for s in t.split(". ") if 60 < len(s) < 140]
    drawn.shuffle(found)
    return [f"Ticket {drawn.randrange(10**6)}: " + ". ".join(drawn.sample(found[:sentences], 3)) for _ in range(count)]


@pytest.fixture(scope="module")
def templated(documents):
    return tickets(documents, 120, 700, seed=1)


def read(tmp_path, texts, by):
    path = tmp_path / "train.jsonl"
    pl.DataFrame({"text": texts, "label": ["abc"[n % 3] for n in range(len(texts))]}).write_ndjson(path)
    fields = {"name": "t", "candidates": ["p.jsonl"], "target": {"train": str(path), "label": "label"}}
    return target.read_target(Task.model_validate(fields), by)[1]


def dropped(facts):
    return sum(map(len, facts.left.values()))


def test_templated_rows_are_split_as_groups_and_few_are_dropped(templated, tmp_path):
    facts = read(tmp_path, templated, target.GROUPS)
    assert dropped(facts) < 0.2 * dropped(read(tmp_path, templated, target.ROWS))
    assert all(70 <= facts.read[split] <= 80 for split in SPLITS)
    assert facts.rows["test"] == facts.read["test"]


def test_the_splits_are_the_same_whatever_the_order_of_the_rows(templated):
    def split_of(texts):
        rows = frame(texts)
        held = holding_out.by_groups(rows, SPLITS)
        return {split: set(rows.filter(mask)["id"]) for split, mask in held.items()}

    assert split_of(templated) == split_of(random.Random(2).sample(templated, len(templated)))


def test_where_all_rows_hang_together_those_that_cost_few_are_held_out(documents, tmp_path):
    texts = tickets(documents, 30, 300, seed=3)
    by_rows, by_groups = (dropped(read(tmp_path, texts, by)) for by in (target.ROWS, target.GROUPS))
    assert 0 < by_groups < 0.8 * by_rows


def test_equal_texts_stay_together_and_every_label_keeps_half_of_its_rows():
    texts = [f"A text of its own, the {n}th of many in this file." for n in range(12)] + ["The same text again."] * 8
    rows = frame(texts, ["a"] * 18 + ["b", "b"])
    held = holding_out.by_groups(rows, SPLITS)
    kept = rows.filter(~(held["validation"] | held["test"]))
    assert kept.filter(pl.col("label") == "b").height >= 1
    assert [mask.sum() for mask in held.values()] == [2, 2]
    assert kept["text"].is_in(["The same text again."]).sum() == 8


def test_of_few_rows_one_is_held_out_for_each_split():
    held = holding_out.by_groups(frame([f"Row {n} says {n * 7}." for n in range(5)]), SPLITS)
    assert [mask.sum() for mask in held.values()] == [1, 1]


def test_rows_that_are_all_alike_are_refused_with_what_to_do(tmp_path):
    texts = [f"Hello, I cannot log in to my account since this morning, please help me. Number {n}." for n in range(60)]
    with pytest.raises(BadInput, match="leakage: allow"):
        read(tmp_path, texts, target.GROUPS)


def test_a_lake_that_was_split_row_by_row_stays_so(sources, tmp_path, monkeypatch):
    train = tmp_path / "train.jsonl"
    train.write_bytes((sources / "train.jsonl").read_bytes())
    fields = task_fields(sources, tmp_path / "lake", target={"train": str(train), "label": "label"})
    file = write_task(tmp_path / "task.yaml", fields)
    records = Records(Lake(fields["lake"]), "tiny")
    monkeypatch.setattr(target, "GROUPS", target.ROWS)  # a version of before
    assert getmore("select", str(file)).returncode == 0
    monkeypatch.undo()
    assert records.get("target_data").facts["held_out_by"] == "rows"
    train.write_text(train.read_text() + '{"text": "One more row, unlike any of the others here.", "label": "email"}\n')
    assert getmore("select", str(file)).returncode == 0
    assert records.get("target_data").facts["held_out_by"] == "rows"
