"""A comparison of several selectors with its curves, by the command, on the lake of the tiny task."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import getmore, write_task
from tests.defs.damage import Copy

COMPARED = [
    "none",
    "target",
    "random",
    "knn",
    "domain",
    {"selector": "got-d-rounds", "name": "rounds", "rounds": {"rounds": 3, "lambda": 0.9}},
]


@pytest.fixture(scope="module")
def compared(ran, tmp_path_factory):
    """The tiny task again, from its own lake, with more to compare."""
    copy = Copy(ran, tmp_path_factory.mktemp("compared"))
    curves = {"labels": [20, 60], "budgets": [0.5], "quantiles": 3}
    file = write_task(copy.task, {**copy.fields, "compare": COMPARED, "curves": curves, "seeds": 1})
    done = getmore("run", str(file), "--json")
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), copy.records.get("scorecard"), copy.lake, file


def test_every_selector_is_scored_at_the_same_tokens(compared):
    printed, record, lake, _ = compared
    rows = record.table_ref().scan().collect()
    assert rows.group_by("selector", maintain_order=True).len().rows() == [
        (name, 1) for name in ("got-d", "none", "target", "random", "knn", "domain", "rounds")
    ]
    assert rows.filter(pl.col("selector") != "none")["warmup_tokens"].n_unique() == 1
    assert rows["zero_shot_perplexity"].is_finite().all()
    assert (rows["zero_shot_perplexity"] > rows["perplexity"]).all()
    seconds = dict(rows.filter(pl.col("seed") == 0).select("selector", "selection_seconds").rows())
    assert seconds["none"] == seconds["target"] == 0
    own = rows.filter(pl.col("selector") == "target")
    assert own["selection_hash"].to_list() == [None]
    # Read before any fine-tuning, the target's own text teaches a model more of the target than any selection.
    others = rows.filter(pl.col("selector") != "target")["zero_shot_perplexity"]
    assert own["zero_shot_perplexity"][0] < others.min()
    assert seconds["got-d"] > seconds["random"]
    names = ("no warm-up", "random", "knn", "domain", "rounds")
    assert all(name in line for name, line in zip(names, printed["verdict"], strict=False))
    subsets = lake.latest("compared_subsets").scan().collect()
    assert set(subsets["selector"]) == {"random", "knn", "domain", "rounds"}
    assert subsets.group_by("selector").agg(pl.col("seed").unique())["seed"].to_list() == [[0]] * 4


def test_the_curves_are_there_with_their_words(compared):
    printed, record, lake, _ = compared
    curves = lake.latest("scorecard_curves").scan().collect()
    counts = dict(curves.group_by("selector").len().rows())
    # Two label counts for the chosen and for none, half the budget for all that select, three slices.
    slices = {f"quantile {number}": 1 for number in (1, 2, 3)}
    assert counts == {"got-d": 3, "none": 2, "random": 1, "knn": 1, "domain": 1, "rounds": 1, **slices}
    few = curves.filter((pl.col("selector") == "none") & (pl.col("labels") == 20))["perplexity"].mean()
    more = curves.filter((pl.col("selector") == "none") & (pl.col("labels") == 60))["perplexity"].mean()
    assert few > more
    half = curves.filter(pl.col("share") == 0.5)["warmup_tokens"]
    whole = record.table_ref().scan().select("warmup_tokens").max().collect().item()
    assert half.n_unique() == 1
    assert 0.4 < half[0] / whole < 0.6
    # Who plans for its budget chooses anew for half of it; of the others it is the head of their order.
    chosen = record.table_ref().scan().select("selector", "selection_hash").collect()
    of_half = curves.filter(pl.col("share") == 0.5).join(chosen, on="selector", suffix="_of_all")
    changed = of_half.filter(pl.col("selection_hash") != pl.col("selection_hash_of_all"))
    assert sorted(changed["selector"]) == ["domain", "rounds"]
    assert any("Spearman" in line for line in printed["verdict"])
    assert any(line.startswith("label efficiency") for line in printed["verdict"])
    assert {"scorecard", "costs", "map", "labels", "budgets", "quantiles"} <= set(record.figures)
    page = Path(record.folders["report"]).read_text("utf-8")
    assert all(f'aria-label="perplexity by {along}' in page for along in ("labelled", "share", "slice"))


def test_runs_that_differ_in_labels_alone_start_from_one_warmed_model(compared):
    _, record, lake, _ = compared
    curve = lake.latest("scorecard_curves").scan().filter((pl.col("selector") == "got-d") & (pl.col("share") == 1))
    curve, own = curve.collect(), record.table_ref().scan().filter(pl.col("selector") == "got-d").collect()
    assert sorted(curve["labels"]) == [20, 60]
    assert curve["warmup_seconds"].n_unique() == 1  # of one warm-up: another would not take as long to the digit
    assert curve["warmup_seconds"][0] > 0
    # No fine-tuning went before: it halves the perplexity. Kernels may add up in another order (found: 3e-5).
    before = own["zero_shot_perplexity"][0]
    assert curve["zero_shot_perplexity"].to_list() == pytest.approx([before, before], rel=1e-3)
    assert curve["perplexity"].n_unique() == 2


def test_rounds_bring_the_true_distance_down_further(compared):
    distances = compared[1].facts["distances"]
    assert distances["rounds"] < distances["got-d"] < distances["random"]
    assert distances["lambda"] == 1.0


def test_nothing_is_trained_again(compared):
    file = compared[3]
    done = getmore("run", str(file))
    assert done.returncode == 0
    assert re.search(r"scorecard +\d+ rows +cached", done.stderr)
    assert "comparison:" not in done.stderr


def test_a_selection_too_small_to_be_compared_is_refused_before_training(ran, tmp_path):
    np.save(tmp_path / "few.npy", np.arange(3))
    few = {"selector": "imported", "imported": {"path": str(tmp_path / "few.npy")}}
    copy = Copy(ran, tmp_path / "copy")
    curves = {"budgets": [0.02]}  # of which three rows are enough
    file = write_task(copy.task, {**copy.fields, "compare": ["none", few], "curves": curves})
    done = getmore("run", str(file))
    assert done.returncode == 2
    assert "compare.imported: fills" in done.stderr
    assert "comparison:" not in done.stderr
    assert Records(Lake(copy.lake.root), "tiny").get("warmed_model") is not None
