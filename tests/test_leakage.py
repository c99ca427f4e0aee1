"""Leaks planted in a pool, down the line to the selection; and what `getmore explain` says of them and of others."""

import json

import polars as pl
import pytest

from getmore_assets.corpus.identity import content_id
from getmore_assets.corpus.passages import clean
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reporting.dropped import dropped
from getmore_assets.task_parsing import load_task
from getmore_assets.workers import training_texts
from tests.conftest import getmore, task_fields, write_task


def one_word_changed(text):
    words = text.split(" ")
    return " ".join([*words[: len(words) // 2], "otherwise", *words[len(words) // 2 + 1 :]])


@pytest.fixture(scope="module")
def planted(sources, tmp_path_factory):
    """A pool with one test sentence in it four times over, each otherwise; and a task that selects from it.

    Train holds that sentence as well, with one word changed, and the pool holds a row of train.
    """
    home = tmp_path_factory.mktemp("planted")
    test = pl.read_ndjson(sources / "test.jsonl")["text"]
    (sentence,) = test.filter(test.str.len_chars().is_between(150, 600)).head(1)
    pool = pl.read_parquet(sources / "pool.parquet")
    passage = pool["text"].filter(pool["text"].str.len_chars().is_between(150, 250))[0]
    leaks = {
        "exact": f"  {sentence}\n",
        "case and white space": sentence.upper().replace(" ", "   "),
        "one word changed": one_word_changed(sentence),
        "inside": f"{passage} {sentence} {passage}"[:999],
    }
    rows = [{"text": text, "source": "planted", "domain": "planted"} for text in leaks.values()]
    train = pl.read_ndjson(sources / "train.jsonl")
    taught = train["text"].filter(train["text"].str.len_chars().is_between(150, 600))[0]
    rows.append({"text": taught, "source": "planted", "domain": "planted"})
    pl.concat([pool, pl.DataFrame(rows)]).write_parquet(home / "pool.parquet")
    fields = task_fields(sources, home / "lake")
    fields["candidates"][0]["path"] = str(home / "pool.parquet")
    near = pl.DataFrame({"text": f"{one_word_changed(sentence)} indeed", "label": "email"})
    pl.concat([train, near]).write_ndjson(home / "train.jsonl")
    fields["target"]["train"] = str(home / "train.jsonl")
    file = write_task(home / "tiny.yaml", fields)
    done = getmore("select", str(file))
    assert done.returncode == 0, done.stderr[-3000:]
    ids = {kind: content_id(clean(text)) for kind, text in leaks.items()}
    return file, ids, Records(Lake(home / "lake"), "tiny")


def fates(records):
    return pl.scan_delta(records.get("selected_subset").facts["ledger"]["path"]).collect()


def test_what_was_planted_is_found_and_is_no_candidate(planted):
    _, ids, records = planted
    ledger = fates(records).filter(pl.col("id").is_in(list(ids.values())))
    assert set(ledger["decision"]) == {"excluded"}
    assert set(ledger["stage"]) <= {"target_data", "leakage"}
    assert ledger.height == 4
    assert ledger.filter(pl.col("stage") == "leakage").height == 3
    kinds = records.get("leakage").facts
    assert kinds["exact"] >= 1
    assert kinds["near"] >= 1


def test_a_selected_row_that_is_a_row_of_train_is_told(planted):
    _, _, records = planted
    selected = records.get("selected_subset")
    taught = set(records.get("target_data").table_ref().scan().filter(split="train").collect()["id"])
    twice = [one for one in selected.table_ref().scan().collect()["id"] if one in taught]
    assert selected.facts["also_in_train"] == len(twice) == 1
    assert "selection: 1 selected row is a row of target train" in dropped({"selected_subset": selected})


def test_no_base_model_is_trained_on_what_leaks(planted):
    file, ids, records = planted
    task, tables = load_task(file), [records.get(name).table for name in ("raw_corpus", "target_data")]
    sample = {content_id(text) for text in training_texts.pool_sample(task, *tables, 10_000)}
    assert len(sample) > 1000
    assert not sample & set(ids.values())
    asked = task.model_copy(update={"leakage": "allow"})
    assert {content_id(text) for text in training_texts.pool_sample(asked, *tables, 10_000)} & set(ids.values())


def test_train_and_pool_that_leak_are_refused_where_it_is_asked_to_be(planted, tmp_path):
    file, _, records = planted
    done = getmore("select", str(file), "leakage=error")
    assert done.returncode == 2
    assert "overlaps the target's test (" in done.stderr
    apart = records.get("target_data").table_ref().scan().select("split", "text", "label").collect()
    for split in ("train", "validation"):
        apart.filter(split=split).select("text", "label").write_ndjson(tmp_path / f"{split}.jsonl")
    clean = [f"target.{split}={tmp_path}/{split}.jsonl" for split in ("train", "validation")]
    done = getmore("select", str(file), "leakage=error", *clean)
    assert done.returncode == 2
    assert "rows overlap what the target is evaluated on" in done.stderr


def test_what_leaks_is_used_where_that_is_allowed(planted, sources, tmp_path):
    file, ids, _ = planted
    done = getmore("select", str(file), "leakage=allow", f"lake={tmp_path}/lake")
    assert done.returncode == 0, done.stderr[-2000:]
    records = Records(Lake(tmp_path / "lake"), "tiny")
    assert records.get("leakage").rows == 0
    ledger = fates(records).filter(pl.col("id").is_in(list(ids.values())))
    assert "leakage" not in set(ledger["stage"])
    assert ledger.filter(pl.col("stage") == "target_data")["id"].to_list() == [ids["exact"]]


def test_a_clean_pool_passes(ran):
    assert ran.records.get("leakage").rows == 0
    assert ran.records.get("leakage").facts["looked_at"] > 1000


def explained(file, row):
    done = getmore("explain", str(file), row, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_kind_of_row_is_explained(planted):
    file, ids, records = planted
    ledger = fates(records)
    by_rank = dict(ledger.filter(pl.col("rank").is_not_null()).select("rank", "id").rows())
    picked, missed = (explained(file, by_rank[rank]) for rank in (3, 101))
    assert (picked["decision"], picked["rank"]) == ("selected", 3)
    assert "a budget of 2 rows or fewer" in picked["change"][0]
    assert (missed["decision"], missed["rank"]) == ("not selected", 101)
    assert missed["score"] >= missed["cut"] == ledger.filter(pl.col("rank") == 100)["score"][0]
    assert any("a budget of 101 rows or more would take it" in change for change in missed["change"])
    for one in (picked, missed):
        assert [stage[0] for stage in one["stages"]][-1] == "selected_subset"
        assert 0 < one["nearest"][0]["share"] <= 1
        assert one["nearest"][0]["share"] >= one["nearest"][1]["share"]
        assert one["nearest"][0]["text"]
    leaked = explained(file, ids["one word changed"])
    assert leaked["decision"] == "excluded"
    assert leaked["stages"][-1][0] == "leakage"
    assert "near of" in leaked["stages"][-1][2]
    assert "would have to leave the target's test" in leaked["change"][0]
    copy = explained(file, ledger.filter(pl.col("reason").str.starts_with("near-duplicate"))["id"][0])
    assert copy["row"]["duplicate_of"] in copy["change"][0]
    held = explained(file, ledger.filter(pl.col("reason") == "held out as general text")["id"][0])
    assert "corpus.held_out" in held["change"][0]
    tested = explained(file, ids["exact"])
    assert tested["stages"][-1][0] == "target_data"
    of_train = explained(file, pl.read_ndjson(file.parent / "train.jsonl")["text"][-1])
    assert of_train["decision"] == "taken out of train"
    assert "overlaps test: near of" in of_train["stages"][0][2]


def test_a_selected_row_says_the_same_as_its_table(planted):
    file, _, records = planted
    row = records.get("selected_subset").table_ref().scan().filter(pl.col("rank") == 1).collect().row(0, named=True)
    found = explained(file, row["id"][:8])
    assert [one["id"] for one in found["nearest"]] == row["nearest_target_ids"]
    assert found["score"] == row["score"]


def test_a_person_can_read_it_and_a_wrong_name_is_refused(planted):
    file, _, records = planted
    row = records.get("selected_subset").table_ref().scan().filter(pl.col("rank") == 1).collect().row(0, named=True)
    done = getmore("explain", str(file), row["text"])
    assert done.returncode == 0, done.stderr
    assert f"{row['id']}: selected" in done.stdout
    assert "closest target rows" in done.stdout
    assert "What would change the decision" in done.stdout
    done = getmore("explain", str(file), "0" * 32)
    assert done.returncode == 2
    assert "was not found in the pool" in done.stderr
