"""The tables of a report and of the command line.

Belongs here: captions, heads and cells as plain text, from results and records. Does not: markup.
"""

import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from getmore_assets import __version__
from getmore_assets.config import NONE
from getmore_assets.corpus.reading import SourceCounts, remarks
from getmore_assets.facts import Overlap, PotentialsFacts
from getmore_assets.records import Record
from getmore_assets.reporting import statistics, verdict
from getmore_assets.reporting.curves import Curve
from getmore_assets.reporting.rows import Share
from getmore_assets.reporting.statistics import shown

_LIBRARIES = (
    "dagster",
    "deltalake",
    "mlflow",
    "numpy",
    "polars",
    "safetensors",
    "scikit-learn",
    "torch",
    "transformers",
)
FORGETTING = "general_perplexity"
_ON_TEST = "on the target's test split; higher is better"
MEANING = {
    "perplexity": "on the target's test split; lower is better",
    **dict.fromkeys(("accuracy", "micro_f1", "macro_f1", "matthews"), _ON_TEST),
    "probe_micro_f1": "on test, of a linear probe without fine-tuning (20 draws of labels); higher is better",
    "zero_shot_accuracy": "on test, by the label that the model finds likeliest; higher is better",
    "nats_per_character": "on test; lower is better, and compares across tokenizers",
    "zero_shot_nats_per_character": "on test, before fine-tuning; lower is better",
    "general_nats_per_character": "on general text; lower is less forgotten",
    "zero_shot_perplexity": "on test, before fine-tuning; lower is better",
    FORGETTING: "on general text; lower is less forgotten",
    "expected_maximum_toxicity": "of generated text; lower is better",
    "toxicity_probability": "of generated text; lower is better",
}
_SOLVE = {
    "decision": "decision",
    "solver": "solver",
    "candidates": "candidates",
    "targets": "points of the target",
    "epsilon": "ε, absolute",
    "epsilon_relative": "ε, times the mean cost",
    "marginal_error": "L1 error of the target marginal",
    "transport_cost": "entropic transport cost",
    "passes": "passes over the candidates",
    "seconds": "seconds of the solve",
}


class Column(NamedTuple):
    """A column's head: name, meaning, whether its cells are numbers, whether they are code."""

    name: str
    said: str = ""
    number: bool = False
    code: bool = False


class Table(NamedTuple):
    """A table: title, caption, columns, and cells row by row; the first cell is the row's name."""

    title: str
    said: str
    head: list[Column]
    rows: list[list[str]]


def _numbers(*names: str) -> list[Column]:
    return [Column(name, number=True) for name in names]


def scorecard(scores: pl.DataFrame, distances: dict[str, float]) -> Table:
    """Return every metric of every selector, with intervals; `distances` has `lambda`, and a distance per selector."""
    metrics = statistics.metrics_in(scores)
    left = f"of picks (weight {distances['lambda']:.2f}) and candidates together from the target; lower is nearer"
    head = [
        Column("selector"),
        *(Column(m, MEANING[m], number=True) for m in metrics),
        Column("distance", left, number=True),
    ]
    rows = []
    for selector, means in statistics.summary(scores).items():
        distance = f"{distances[selector]:.4f}" if selector in distances else "–"
        rows.append([shown(selector), *(str(means[m]) for m in metrics), distance])
    seeds = scores["seed"].n_unique()
    said = f"Mean and 95 % interval (Student's t) over {seeds} seeds" if seeds > 1 else "One seed, so no intervals"
    return Table("Scorecard", f"{said}; the same tokens of warm-up and the same recipe for every selector.", head, rows)


def gains(by_selector: dict[str, verdict.Gain], metric: str, chosen: str) -> Table | None:
    """Return the differences that the verdict is based on; None if nothing was compared."""
    if not by_selector:
        return None
    caption = (
        f"By how much {chosen} is better on {metric}, paired by seed. The bootstrap interval (10,000 "
        "resamples of the seeds) is too narrow with few seeds, so the judgement uses paired t-tests: better or "
        "worse if p, adjusted for the number of rivals (Holm), is below 0.05; level if the difference is shown to be "
        "less than the margin; else unknown. `would be shown` is the difference that this number of seeds can show."
    )
    numbers = _numbers("better by, 95 % interval", "bootstrap interval", "p, Holm", "margin", "would be shown")
    head = [Column("against"), *numbers, Column("judgement")]
    rows = []
    for other, gain in by_selector.items():
        bootstrap = f"{gain.bootstrap[0]:.4g} to {gain.bootstrap[1]:.4g}" if gain.bootstrap else "–"
        figures = ("–" if math.isnan(value) else f"{value:.2g}" for value in (gain.p, gain.margin, gain.smallest))
        rows.append([shown(other), str(gain), bootstrap, *figures, verdict.judgement(gain)])
    return Table("Differences", caption, head, rows)


def seeds(scores: pl.DataFrame) -> Table:
    """Return the results of every seed."""
    metrics = statistics.metrics_in(scores)
    head = [Column("selector"), *_numbers("seed", *metrics, "rows of warm-up"), Column("selection", code=True)]
    rows = [
        [
            shown(row["selector"]),
            str(row["seed"]),
            *(_value(row[m]) for m in metrics),
            _value(row["warmup_rows"]),
            row["selection_hash"] or "–",
        ]
        for row in scores.iter_rows(named=True)
    ]
    return Table("Every run", "", head, rows)


def costs(scores: pl.DataFrame) -> Table:
    """Return the cost of a run of each selector."""
    tokens = dict(scores.group_by("selector").agg(pl.col("warmup_tokens").max()).iter_rows())
    parts = [f"{part}, s" for part in statistics.COSTS]
    rows = [
        [shown(selector), _value(tokens[selector]), *(f"{s:,.1f}" for s in seconds), f"{sum(seconds):,.1f}"]
        for selector, seconds in statistics.costs(scores).items()
    ]
    caption = (
        "Mean seconds. Selection is the ranking, with the encoding, triage and potentials that the selector needs; "
        "these are counted for each selector. Data that all rankings read once are counted for the first."
    )
    return Table(
        "Cost of one run", caption, [Column("selector"), *_numbers("tokens of warm-up", *parts, "total, s")], rows
    )


def forgetting(scores: pl.DataFrame) -> Table | None:
    """Return the perplexity on general text, and its ratio to no warm-up; None if it was not measured."""
    summary = statistics.summary(scores)
    if FORGETTING not in statistics.metrics_in(scores):
        return None
    none = summary[NONE][FORGETTING].mean if NONE in summary else None
    rows = [
        [shown(selector), str(means[FORGETTING]), f"{means[FORGETTING].mean / none:.2f}" if none else "–"]
        for selector, means in summary.items()
    ]
    caption = (
        "Perplexity on general text that nothing was trained on, at the end (of a classifier: after the "
        "warm-up), and its ratio to no warm-up: above 1, more is forgotten."
    )
    return Table(
        "Forgetting",
        caption,
        [Column("selector"), *_numbers("perplexity on general text", "ratio to no warm-up")],
        rows,
    )


def curve(data: Curve, metric: str) -> Table:
    """Return the points of a curve."""
    rows = [[shown(s), f"{at:g}", str(value)] for s, points in data.points.items() for at, value in points]
    return Table(f"{metric} by {data.x_label}", "", [Column("selector"), *_numbers(data.x_label, metric)], rows)


def mix(shares: list[Share], of: str) -> Table:
    """Return candidates and picks of each domain or source."""
    rows = [
        [s.name, f"{s.rows:,}", f"{s.before:.1%}", f"{s.picks:,}", f"{s.after:.1%}", f"{s.factor:.2f}"] for s in shares
    ]
    head = [Column(of), *_numbers("candidates", "of all candidates", "picks", "of all picks", "lift")]
    return Table(f"By {of}", "Rows before and after the selection.", head, rows)


def left_out(counted: list[tuple[str, str, int]]) -> Table | None:
    """Return the counts of excluded rows of the pool; None if there are none."""
    rows = [[stage, reason, f"{n:,}"] for stage, reason, n in counted]
    head = [Column("stage"), Column("reason"), Column("rows", number=True)]
    return Table("Excluded rows of the corpus", "", head, rows) if rows else None


def solve(facts: PotentialsFacts, tolerance: float) -> Table:
    """Return settings and convergence of the solve."""
    rows = [[words, _value(value)] for name, words in _SOLVE.items() if (value := getattr(facts, name)) is not None]
    rows.append(["tolerance of that error", _value(tolerance)])
    return Table(
        "The solve", "Optimal transport from the candidates to the target.", [Column("what"), *_numbers("value")], rows
    )


def potentials(rows_by_side: pl.DataFrame) -> Table:
    """Return quantiles of the potentials of both sides."""
    names = {"candidate": "candidates (f)", "target": "rows of the target (g)"}
    rows = [[names[side], *(_value(v) for v in values)] for side, *values in rows_by_side.iter_rows()]
    caption = (
        "GOT-D's score of a candidate is its f less the mean f of the others; the higher g, the harder a "
        "row of the target is to reach."
    )
    return Table("Potentials", caption, [Column("side"), *_numbers(*rows_by_side.columns[1:])], rows)


def stability(overlaps: list[Overlap]) -> Table | None:
    """Return the overlap of selections at ε and at other ε; None if it was not measured."""
    rows = [[f"{o.share:.0%}", f"{o.factor:g}", "–" if o.jaccard is None else f"{o.jaccard:.2f}"] for o in overlaps]
    caption = "Jaccard similarity of the lowest scores of a sample, at ε and at another ε."
    return Table("Stability", caption, [Column("lowest"), *_numbers("times ε", "similarity")], rows) if rows else None


def sources(counts: list[SourceCounts]) -> Table | None:
    """Return the counts of each source; None if there are none, as in records of earlier versions."""
    rows = [[c.field, c.path, c.format, f"{c.files:,}", f"{c.rows:,}", "; ".join(remarks(c))] for c in counts]
    head = [
        Column("field"),
        Column("path", code=True),
        Column("format"),
        *_numbers("files", "rows"),
        Column("of these"),
    ]
    return (
        Table("Sources", "What was read, and what was left out, skipped, cut or folded.", head, rows) if rows else None
    )


def stages(records: list[Record], lake: Path) -> Table:
    """Return the result of each stage, with paths relative to the lake."""
    any_kept = any(r.kept for r in records)
    rows = [
        [
            r.stage,
            r.made_at.replace("T", " ").removesuffix("+00:00"),
            f"{r.seconds:,.1f}",
            f"{r.peak_rss_mb:,.0f}",
            ", ".join(place.removeprefix(f"{lake}/") for place in _places(r)),
            *([r.kept or ""] if any_kept else []),
        ]
        for r in records
    ]
    head = [Column("stage"), *_numbers("materialized, UTC", "s", "peak MiB")]
    head += [Column("table or folder", code=True), *([Column("kept, because")] if any_kept else [])]
    return Table("Stages", "The result of each stage, in order, with time and peak memory.", head, rows)


def runs(records: list[Record], own: dict[str, str]) -> Table:
    """Return code version and runs of each stage; `own` has those of the scorecard, which has no record yet."""
    names = ("code_version", "data_version", "dagster_run_id", "mlflow_run_id")
    every = {r.stage: r.__dict__ for r in records} | {"scorecard": own}
    rows = [[stage, *(str(fields.get(name) or "–") for name in names)] for stage, fields in every.items()]
    head = [Column("stage"), Column("code", code=True), Column("data version", code=True)]
    return Table(
        "Versions and runs", "", [*head, Column("Dagster run", code=True), Column("MLflow run", code=True)], rows
    )


def versions(hashes: dict[str, str]) -> Table:
    """Return the versions of the libraries, and the hashes of the inputs."""
    versions = {"getmore-assets": __version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    rows = [[*pair] for pair in {**hashes, **versions}.items()]
    return Table("Hashes and libraries", "", [Column("what"), Column("hash or version", code=True)], rows)


def _places(record: Record) -> list[str]:
    table = [f"{record.table.path}@v{record.table.version}"] if record.table else []
    return [*table, *record.folders.values()]


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}" if isinstance(value, float) else str(value)
