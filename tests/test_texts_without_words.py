"""Rows that say nothing to the encoder, and writing without spaces, down the line to the selection."""

import json

import polars as pl
import pytest

from getmore_assets.corpus.candidates import NO_VECTOR
from getmore_assets.corpus.identity import content_id
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import getmore, task_fields, write_task
from tests.scripts import written

MUTE = ["?!", "...", "!!! ???", "( )"]
FORMULAS = ["x + 3 = 7", "x - 3 = 7", "1 + 1 = 2", "🙂🙂"]


@pytest.fixture(scope="module")
def selected(tmp_path_factory):
    """A selection of fifty rows from a pool of four hundred in Thai, fifty on topic, with rows of signs among them."""
    home = tmp_path_factory.mktemp("thai")
    pool = [written("Thai", n % 8 != 0, n) for n in range(400)] + MUTE + FORMULAS
    pl.DataFrame({"text": pool, "source": "s", "domain": "d"}).write_parquet(home / "pool.parquet")
    for split, start, rows in (("train", 1000, 40), ("validation", 2000, 10), ("test", 3000, 10)):
        texts = [written("Thai", 0, start + n) for n in range(rows)]
        texts += ["?! ?!"] if split == "train" else []
        (home / f"{split}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    fields = task_fields(
        home, home / "lake", corpus={"held_out": 0.0}, selection={"selector": "got-d", "budget": {"rows": 50}}
    )
    file = write_task(home / "tiny.yaml", fields)
    done = getmore("select", str(file))
    assert done.returncode == 0, done.stderr[-3000:]
    return file, pool, Records(Lake(home / "lake"), "tiny")


def test_rows_on_topic_are_selected_in_a_script_without_spaces(selected):
    _, pool, records = selected
    chosen = records.get("selected_subset").table_ref().scan().select("text").collect()["text"].to_list()
    assert sum(pool.index(text) % 8 == 0 for text in chosen) >= 47


def test_a_row_without_a_vector_is_left_out_with_its_reason_and_counted(selected):
    file, _, records = selected
    ledger = pl.scan_delta(records.get("selected_subset").facts["ledger"]["path"]).collect()
    mute = ledger.filter(pl.col("stage") == "embeddings")
    assert set(mute["id"]) == {content_id(text) for text in MUTE}
    assert set(mute["reason"]) == {NO_VECTOR}
    assert records.get("embeddings").facts["without_vector"] == len(MUTE) + 1  # and one of the target
    said = getmore("explain", str(file), content_id(MUTE[0])[:12])
    assert (said.returncode, NO_VECTOR in said.stdout) == (0, True)
    checked = getmore("check", str(file))
    assert checked.returncode == 0, checked.stdout


def test_formulas_are_neither_copies_of_one_another_nor_chosen(selected):
    ledger = pl.scan_delta(selected[2].get("selected_subset").facts["ledger"]["path"]).collect()
    fate = ledger.filter(pl.col("id").is_in([content_id(text) for text in FORMULAS]))
    assert fate["decision"].to_list() == ["not selected"] * len(FORMULAS)
