"""A warm-up that reads more than the selected rows, by the command, on the lake of the tiny task."""

import re

import pytest

from getmore_assets.training_facts import WarmUpFacts
from tests.conftest import getmore, write_task
from tests.defs.damage import Copy


@pytest.fixture(scope="module")
def mixed(ran, tmp_path_factory):
    copy = Copy(ran, tmp_path_factory.mktemp("mixed"))
    alone = copy.records.get("warmed_model"), copy.records.get("scorecard").table_ref().scan().collect()
    warmup = {**copy.fields["warmup"], "target_share": 0.4, "replay": 0.2, "then_target": True}
    file = write_task(copy.task, {**copy.fields, "warmup": warmup, "compare": ["none"], "seeds": 1})
    done = getmore("run", str(file))
    assert done.returncode == 0, done.stderr[-4000:]
    return alone, copy, file


def test_the_target_is_read_better_at_the_same_tokens_and_by_the_arm_without_a_warm_up_too(mixed):
    (warmed, scores), copy, _ = mixed
    record = copy.records.get("warmed_model")
    assert WarmUpFacts.of(record).tokens == WarmUpFacts.of(warmed).tokens
    assert {"table.raw_corpus", "table.target_data", "table.selected_subset"} <= set(record.lineage)
    assert set(record.inputs) == {"base_model", "selected_subset", "raw_corpus", "target_data"}
    now = copy.records.get("scorecard").table_ref().scan().collect()
    before = {row["selector"]: row["zero_shot_perplexity"] for row in scores.filter(scores["seed"] == 0).to_dicts()}
    after = {row["selector"]: row["zero_shot_perplexity"] for row in now.to_dicts()}
    assert after["got-d"] < before["got-d"]
    assert after["none"] < before["none"]


def test_nothing_is_trained_again(mixed):
    done = getmore("run", str(mixed[2]))
    assert done.returncode == 0
    assert re.search(r"warmed_model +\d+ rows +cached", done.stderr)
    assert "comparison:" not in done.stderr
