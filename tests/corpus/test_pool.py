import json

import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.corpus import payloads, pool
from getmore_assets.lake import Lake
from getmore_assets.stages.run_plan import plan
from tests.conftest import task_fields


@pytest.fixture
def task(sources, tmp_path):
    return Task.model_validate(task_fields(sources, tmp_path / "lake"))


def test_one_row_per_content_id_and_only_new_rows_are_written(sources, tmp_path):
    rows = pl.read_parquet(sources / "pool.parquet")
    path = tmp_path / "pool.parquet"
    fields = task_fields(sources, tmp_path / "lake", candidates=[{"path": str(path), "domain": "domain"}])
    task, lake = Task.model_validate(fields), Lake(tmp_path / "lake")

    pl.concat([rows.head(500), rows.head(20)]).write_parquet(path)
    table, first, facts = pool.build(task, lake, {"dagster_run_id": "one"})
    stored = pool.scan_pool(table, pool.pool_key(task)).collect()
    assert facts.exact_duplicates >= 20
    assert stored["id"].is_unique().all()
    assert stored.height == facts.rows == facts.written

    _, same, facts = pool.build(task, lake, {})
    assert (same, facts.written, facts.removed) == (first, 0, 0)

    rows.slice(10, 600).write_parquet(path)
    table, changed, facts = pool.build(task, lake, {})
    assert changed != first
    assert facts.written > 0
    assert facts.removed > 0
    assert pool.build(task, Lake(tmp_path / "fresh"), {})[1] == changed

    rows.slice(10, 600).with_columns(domain=pl.lit("renamed")).write_parquet(path)
    table, renamed, _ = pool.build(task, lake, {})
    assert renamed != changed
    assert pl.read_delta(table.path)["domain"].unique().to_list() == ["renamed"]


def test_of_files_that_came_only_these_are_read_and_of_files_that_changed_all(sources, tmp_path):
    rows, folder = pl.read_parquet(sources / "pool.parquet"), tmp_path / "pool"
    folder.mkdir()
    fields = task_fields(sources, tmp_path / "lake", candidates=[{"path": str(folder), "domain": "domain"}])
    task, lake = Task.model_validate(fields), Lake(tmp_path / "lake")

    def built(where: Lake = lake):
        table, version, facts = pool.build(task, where, {})
        return version, facts, set(pool.scan_pool(table, pool.pool_key(task)).select("id").collect()["id"])

    rows.head(400).write_parquet(folder / "a.parquet")
    built()
    rows.slice(390, 110).write_parquet(folder / "b.parquet")
    version, facts, ids = built()
    assert (facts.read, facts.exact_duplicates >= 10) == (110, True)
    assert [(s.files, s.unchanged_files, s.rows) for s in facts.sources] == [(1, 1, 110)]
    assert (version, ids) == built(Lake(tmp_path / "whole"))[::2]

    rows.slice(390, 100).write_parquet(folder / "b.parquet")  # a file that was read is another one now
    version, facts, ids = built()
    assert facts.removed > 0
    assert (version, ids) == built(Lake(tmp_path / "shorter"))[::2]

    rows.slice(500, 100).write_parquet(folder / "c.parquet")
    lake.delete_where(pool.TABLE, f"id = '{min(ids)}'", {})  # rows went that the notes do not know of
    version, facts, ids = built()
    assert facts.read == 600
    assert [(s.files, s.unchanged_files, s.rows) for s in facts.sources] == [(3, 0, 600)]
    assert (version, ids) == built(Lake(tmp_path / "mended"))[::2]


def test_the_table_opens_with_plain_polars_and_long_rows_are_cut(task, sources):
    table, _, _ = pool.build(task, Lake(task.lake), {})
    frame = pl.read_delta(table.path)
    assert frame["text"].str.len_chars().max() <= task.corpus.passage_chars
    assert frame["held_out"].sum() > 0
    assert set(frame["domain"]) == set(pl.read_parquet(sources / "pool.parquet")["domain"])


def test_whole_rows_are_kept_uncut_beside_texts_and_follow_their_source(sources, tmp_path):
    """In one table with a pool that keeps none, which was there before."""
    plain = {"path": str(sources / "train.jsonl"), "domain": "label"}
    lake = Lake(tmp_path / "lake")
    before = Task.model_validate(task_fields(sources, tmp_path / "lake", candidates=[plain]))
    table, version, _ = pool.build(before, lake, {})
    assert "payload" not in table.scan().collect_schema()

    path = tmp_path / "chat.jsonl"
    chat = {"path": str(path), "text": "messages", "whole_rows": True}
    task = Task.model_validate(task_fields(sources, tmp_path / "lake", candidates=[plain, chat]))
    said = [[{"role": "user", "content": f"Question {n}? " + "Word after word. " * n}] for n in range(100)]
    rows = [json.dumps({"tag": n, "messages": messages}) for n, messages in enumerate(said)]
    path.write_text("\n".join(rows), "utf-8")

    def built():
        table, version, facts = pool.build(task, lake, {})
        stored = pool.scan_pool(table, pool.pool_key(task)).collect()
        whole = stored.filter(pl.col("payload").is_not_null())
        assert set(whole["candidate"]) == {1}
        return version, facts, stored.height, [one.line() for one in payloads.of_columns(whole.sort("origin"))]

    first, facts, height, kept = built()
    assert sorted(kept) == sorted(rows)
    assert facts.longer_than_a_passage == sum(len(messages[0]["content"]) > 1001 for messages in said) > 10
    assert height > 100
    again, facts, _, _ = built()
    assert (again, facts.written) == (first, 0)

    rows[7] = rows[7].replace('"tag": 7', '"tag": -7')  # the text is the same
    path.write_text("\n".join(rows), "utf-8")
    changed, facts, _, kept = built()
    assert changed != first
    assert sorted(kept) == sorted(rows)
    assert pool.build(before, lake, {})[1:][0] == version


def test_each_source_says_what_was_cut_folded_kept_whole_and_is_no_text(sources, tmp_path):
    plain, chat = tmp_path / "plain.jsonl", tmp_path / "chat.jsonl"
    long = " ".join(f"Sentence {n} of it." for n in range(100))
    texts = ["One.", "Two.", "One.", long]
    plain.write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    picture = [{"type": "text", "text": "Two."}, {"type": "image"}]
    rows = [[{"role": "user", "content": content}] for content in (picture, long, "Three.", "")]
    chat.write_text("\n".join(json.dumps({"messages": messages}) for messages in rows), "utf-8")
    kept = {"path": str(chat), "text": "messages", "whole_rows": True, "bad_rows": "skip"}
    task = Task.model_validate(task_fields(sources, tmp_path / "lake", candidates=[{"path": str(plain)}, kept]))
    facts = pool.build(task, Lake(tmp_path / "lake"), {})[2]
    names = ("field", "files", "rows", "cut", "folded", "longer_than_a_passage", "not_text")
    told = [tuple(getattr(source, name) for name in names) for source in facts.sources]
    assert told == [("candidates.0", 1, 4, 1, 1, 0, 0), ("candidates.1", 1, 3, 0, 1, 1, 1)]
    assert [source.skipped for source in facts.sources] == [{}, {"`messages` is null or blank": 1}]
    looked = plan(task).sources
    assert [source.model_copy(update={"folded": None}) for source in facts.sources] == looked[:2], (
        "a plan counts the same"
    )
    assert [source.field for source in looked[2:]] == ["target.train", "target.validation", "target.test"]
