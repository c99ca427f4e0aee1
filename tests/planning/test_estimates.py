"""The arithmetic, on records of a real run: the run's own figures must come out for a task of its size."""

from dataclasses import replace

import pytest

from getmore_assets.planning.estimates import Measured
from getmore_assets.planning.gathering import Gathering
from getmore_assets.planning.sampling import LARGE, SMALL, Look
from getmore_assets.planning.trainings import Trainings
from getmore_assets.planning.work import Counts
from getmore_assets.records import STATIONS
from getmore_assets.task_files import load_task

STEP = {"step": 0.5, "beside": 0.1}
RATES = {
    "device": "cpu",
    "selectors": {},
    "training": {
        "load": 0.0,
        "vocabulary_seconds": 0.1,
        "base_items": 100.0,
        "base": STEP,
        "warmup": STEP,
        "finetune": STEP,
        "tokens_a_pick": 64.0,
        "tokens_a_word": 1.5,
        "general_blocks_a_row": 1.0,
        "test_blocks": 10,
        "a_block": 0.01,
        "a_validated": 0.01,
        "train_items": 80,
        "validation_items": 20,
    },
}


@pytest.fixture
def planned(ran):
    """The tiny task, planned from its own records: both miniatures are the run itself."""

    def make(times=1, reads_pool=True, changes=()):
        made = {name: ran.records.get(name) for name in STATIONS}
        facts = made["ot_potentials"].facts
        rows = made["raw_corpus"].facts["read"]
        counts = Counts(
            rows=times * rows,
            passages=times * made["raw_corpus"].rows,
            words=times * 50_000,
            candidates=times * facts["candidates"],
            sampled=100,
            splits=made["target_data"].facts["rows"],
            general=10,
            picks=100,
            picked_words=5000,
            missing=times * facts["candidates"] + facts["targets"],
            first=100 + facts["targets"],
        )
        seen = Look(rows, 1, 0.0, {SMALL: rows // 2, LARGE: rows}, counts.splits, [], 0.0, 0.0, ("", ""))
        smaller = {n: replace(r, peak_rss_mb=r.peak_rss_mb - 100, seconds=r.seconds / 2) for n, r in made.items()}
        measured = Measured(seen, smaller, made, {(LARGE, "raw_corpus"): 2.0}, RATES)
        return made, Gathering(load_task(ran.file, changes), counts, measured, reads_pool)

    return make


def test_a_pool_as_large_as_the_miniature_takes_what_the_miniature_took(planned):
    made, gathered = planned()
    for station in ("raw_corpus", "target_data", "leakage", "selected_subset"):
        told = gathered.told(station)
        assert told.seconds == pytest.approx(made[station].seconds), station
        assert told.peak_rss_mb == made[station].peak_rss_mb
    assert gathered.told("raw_corpus").disk_mb == 2.0


def test_what_grows_with_the_pool_grows_on_the_line_through_both(planned):
    made, gathered = planned(times=3)
    rows, told = made["raw_corpus"].facts["read"], gathered.told("raw_corpus")
    a_row = made["raw_corpus"].seconds / 2 / (rows - rows // 2)
    assert told.seconds == pytest.approx(made["raw_corpus"].seconds + 2 * rows * a_row)
    assert told.disk_mb == pytest.approx(6.0)
    more = 2 * rows * 100 / (rows - rows // 2)  # MiB: what the process holds of the pool stays with it
    for station in ("raw_corpus", "target_data", "embeddings"):
        assert gathered.told(station).peak_rss_mb == pytest.approx(made[station].peak_rss_mb + more)


def test_a_pool_that_is_not_read_again_takes_no_memory_of_the_stations_after_it(planned):
    made, gathered = planned(times=3, reads_pool=False)
    assert gathered.told("target_data").peak_rss_mb == made["target_data"].peak_rss_mb


def test_a_training_is_its_steps_and_what_is_beside_them(planned):
    made, gathered = planned()
    told = Trainings(gathered).told("warmed_model")
    steps = 13  # 100 picks of 64 tokens in blocks of 64, eight a step
    assert told.tokens == 6400
    assert f"{steps} steps" in told.how
    beside = gathered.small("warmed_model").seconds - made["warmed_model"].facts["train_seconds"]
    assert told.seconds == pytest.approx(beside + steps * 0.5 + 0.1)


def test_the_comparison_is_every_run_of_it(planned):
    two, three = (Trainings(planned(changes=[f"seeds={seeds}"])[1]) for seeds in (2, 3))
    training = 10 * 0.5 + 0.1 + 20 * 0.01  # ten steps, a checkpoint, a look at validation
    assert two._tune() == pytest.approx(training + 2 * 10 * 0.01 + 10 * 0.01)  # test twice, general text
    assert (two.told("scorecard").rows, three.told("scorecard").rows) == (5, 8)
    more = three.told("scorecard").seconds - two.told("scorecard").seconds
    assert more == pytest.approx(3 * two._tune() + 2 * two._warm())  # got-d, random and no warm-up once more
