"""The report: one self-contained HTML page per task.

Belongs here: the content of the page, and its order. Does not: reading data (`report_data.py`), cells of tables
(`tables.py`), figures (`figures.py`), rendering (`html_template.py`). Only figures are markup; text of a corpus is
escaped.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml

from getmore_assets.config import Task
from getmore_assets.corpus.reading import counts_in
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.facts import EmbeddingFacts, PotentialsFacts, SelectionFacts, TriageFacts
from getmore_assets.lake import Lake
from getmore_assets.records import Record, now, write_atomically
from getmore_assets.reporting import figures, html_template, inline_svg, plain, rows, statistics, tables, verdict
from getmore_assets.reporting.curves import Curve
from getmore_assets.reporting.dropped import dropped
from getmore_assets.reporting.gates import Gate, failed
from getmore_assets.reporting.next_steps import next_steps
from getmore_assets.reporting.report_data import ReportData
from getmore_assets.reporting.seeds import per_seed
from getmore_assets.training_facts import BaseModelFacts, Training

_MARKS = {verdict.BETTER: "✓", verdict.LEVEL: "≈", verdict.WORSE: "✗", verdict.UNKNOWN: "?", "said": "·"}
_TRAINED = {"base_model": "the base model", "warmed_model": "the warm-up", "finetuned_model": "fine-tuning"}
_SECTIONS = {
    "verdict": "Verdict",
    "scorecard": "Scorecard",
    "cost": "Cost and forgetting",
    "curves": "Curves",
    "rows": "Selected rows",
    "mix": "Domains and sources",
    "scores": "Scores and map",
    "transport": "Transport and training",
    "made": "How it was made",
}


def write(
    path: Path,
    *,
    task: Task,
    records: dict[str, Record],
    data: ReportData,
    scores: pl.DataFrame,
    curves: list[Curve],
    gates: list[Gate],
    distances: dict[str, float],
    own: dict[str, str],
) -> Path:
    """Write the report.

    Args:
        path: The file.
        task: The task.
        records: The records of all stages before the scorecard, in order.
        data: The data of the selection.
        scores: The scorecard: one row per selector and seed.
        curves: The curves of the scorecard.
        gates: The gates.
        distances: `lambda`, and by selector the distance of the mix of picks and candidates from the target.
        own: The run of the scorecard: code_version, dagster_run_id and, if tracked, mlflow_run_id.
    """
    chosen, selected = task.selection.called, records["selected_subset"]
    metric, gains = statistics.main_metric(scores), verdict.gains(scores, chosen)
    kind, words = verdict.headline(gains, chosen, failed(gates))
    forgetting, domains = tables.forgetting(scores), _domains(data)
    hashes = {
        "selection": SelectionFacts.of(selected).selection_hash,
        "encoder": EmbeddingFacts.of(records["embeddings"]).encoder,
        "pool": records["raw_corpus"].data_version,
        "target": records["target_data"].data_version,
        "base model": records["base_model"].data_version,
    }
    text = html_template.render(
        task=task.name,
        selector=chosen,
        picks=selected.rows,
        candidates=data.candidates.height,
        selection_hash=hashes["selection"],
        made_at=now().replace("T", " ").replace("+00:00", " UTC"),
        sections=[(id_, title) for id_, title in _SECTIONS.items() if curves or id_ != "curves"],
        headline={"kind": kind, "words": words},
        verdict=_verdict(scores, chosen, gains, curves, gates),
        steps=next_steps(task, gains, gates, kind),
        dropped=dropped(records),
        figures=_figures(task, records, data, scores, curves),
        scorecard=tables.scorecard(scores, distances),
        gains=tables.gains(gains, metric, chosen),
        seeds=tables.seeds(scores),
        costs=tables.costs(scores),
        forgetting=forgetting,
        curves=[{"name": c.name, "x_label": c.x_label, "table": tables.curve(c, metric)} for c in curves],
        domains=[plain.name(domain) for domain in domains],
        groups=[
            {"title": group.title, "rows": rows.shown(group, data.texts, data.near, domains)} for group in data.groups
        ],
        mixes=[tables.mix(rows.mix(data.candidates, column), column) for column in ("domain", "source")],
        left_out=tables.left_out(rows.left_out(data.excluded)),
        scores=_scores(task, selected, data),
        solve=tables.solve(PotentialsFacts.of(records["ot_potentials"]), task.transport.tolerance),
        potentials=tables.potentials(data.potentials),
        stability=tables.stability(PotentialsFacts.of(records["ot_potentials"]).overlap),
        losses=list(_TRAINED),
        sources=tables.sources(counts_in(records)),
        stages=tables.stages(list(records.values()), Lake(task.lake).root),
        runs=tables.runs(list(records.values()), own),
        versions=tables.versions(hashes),
        settings=yaml.safe_dump(task.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True),
    )
    write_atomically(path, text)
    return path


def _domains(data: ReportData) -> list[str | None]:
    """Return the domains of the rows that are shown."""
    domains = {domain for group in data.groups for domain in group.rows["domain"]}
    return sorted(domains, key=lambda domain: (domain is None, domain))


def _verdict(
    scores: pl.DataFrame,
    chosen: str,
    gains: dict[str, verdict.Gain],
    curves: list[Curve],
    gates: list[Gate],
) -> list[dict[str, str]]:
    kinds = [verdict.judgement(gain) for gain in gains.values()]
    lines = list(zip(kinds, verdict.sentences(scores, chosen, tells=failed(gates) is None), strict=True))
    lines += [("said", f"{gate.name}: {gate.said}") for gate in gates if gate.passed is not None]
    lines += [("said", curve.sentence) for curve in curves if curve.sentence]
    selecting, warming, tuning = statistics.costs(scores)[chosen]
    lines.append(
        ("said", f"cost: {selecting:,.0f} s to select, {warming:,.0f} s to warm up, {tuning:,.0f} s to fine-tune")
    )
    summary = statistics.summary(scores)
    general = {selector: metrics.get("general_perplexity") for selector, metrics in summary.items()}
    if general[chosen] is not None:
        others = [f"{value} ({statistics.shown(name)})" for name, value in general.items() if name != chosen]
        against = f" against {', '.join(others)}" if others else ""
        lines.append(("said", f"forgetting: perplexity on general text {general[chosen]}{against}"))
    return [{"kind": kind, "mark": _MARKS[kind], "words": words} for kind, words in lines]


def _scores(task: Task, selected: Record, data: ReportData) -> list[str]:
    """Return sentences on the scores at the cut."""
    ranked = data.candidates.filter(pl.col("rank").is_not_null()).sort("rank")
    picks, rest = ranked.head(selected.rows), ranked[selected.rows :]
    name = task.selection.called
    if "scores" not in selected.figures:
        return [f"{name} does not cut one order of scores, so there is no distribution to show; ranks are above."]
    last = f"The last of {picks.height:,} picks has the score {picks['score'][-1]:.6g}"
    after = f"; the first that was not picked, {rest['score'][0]:.6g}" if rest.height else ""
    return [f"{last}{after}. If the two are close, other rows at the cut would do as well."]


class _Drawings:
    """The page's figures by name."""

    def __init__(self, folder: str) -> None:
        self._folder, self.figures = Path(folder), dict[str, dict[str, Any]]()

    def add(self, name: str, title: str, alt: str, caption: str, figure: Callable[..., Path], *data: Any) -> None:
        """Draw a figure with a function of `figures`; `title` and `alt` are the text alternative."""
        svg = figure(*data, self._folder / f"{name}.svg").read_text("utf-8")
        self.figures[name] = {"caption": caption, "svg": inline_svg.inline(svg, name, f"{title}. {alt}")}


def _figures(
    task: Task, records: dict[str, Record], data: ReportData, scores: pl.DataFrame, curves: list[Curve]
) -> dict[str, dict[str, Any]]:
    with TemporaryDirectory() as folder:
        drawings = _Drawings(folder)
        _of_scorecard(drawings, task, scores, curves, TargetFacts.of(records["target_data"]).rows["test"])
        _of_selection(drawings, records, data)
        _of_transport(drawings, task, records)
        _of_training(drawings, records)
    return drawings.figures


def _of_scorecard(drawings: _Drawings, task: Task, scores: pl.DataFrame, curves: list[Curve], test: int) -> None:
    chosen, metric, summary = task.selection.called, statistics.main_metric(scores), statistics.summary(scores)
    seeds = per_seed(scores, metric)
    alt = "; ".join(f"{statistics.shown(selector)}: {means[metric]}" for selector, means in summary.items())
    caption = (
        f"{metric} on the target's test split ({test:,} rows): mean over the seeds, 95 % interval, and each seed. The "
        "verdict compares the runs seed by seed, so selectors with overlapping intervals may still differ."
    )
    drawings.add("scorecard", "Scorecard", f"{alt}.", caption, figures.scorecard, summary, seeds, metric, chosen)
    seconds = statistics.costs(scores)
    alt = "; ".join(f"{statistics.shown(selector)}: {sum(parts):,.0f} s" for selector, parts in seconds.items())
    drawings.add("costs", "Cost", f"{alt}.", "Mean seconds of a run of each selector.", figures.costs, seconds)
    for curve in curves:
        caption = f"{metric} by {curve.x_label}: means over the seeds, with 95 % intervals. {curve.sentence or ''}"
        title, alt = f"{metric} by {curve.x_label}", curve.sentence or "The numbers are in the table below it."
        drawings.add(curve.name, title, alt, caption, figures.lines, curve.points, curve.x_label, metric)


def _of_selection(drawings: _Drawings, records: dict[str, Record], data: ReportData) -> None:
    candidates = data.candidates
    picked = candidates.filter(pl.col("decision") == "selected")
    most = rows.mix(candidates, "domain")[:3]
    alt = "; ".join(
        f"{share.name}: {share.before:.1%} of the candidates, {share.after:.1%} of the picks" for share in most
    )
    caption = "Share of each domain among the candidates and among the picks."
    if candidates["domain"].n_unique() > 1:
        counts = [dict(frame["domain"].value_counts().rows()) for frame in (candidates, picked)]
        drawings.add("composition", "Domains before and after", f"{alt}.", caption, figures.composition, *counts)
    if "scores" in records["selected_subset"].figures:
        values, cut = candidates["score"].drop_nulls().to_numpy(), float(picked["score"].to_numpy().max())
        alt = f"{len(values):,} scores from {values.min():.4g} to {values.max():.4g}; the cut is at {cut:.4g}."
        caption = "Number of candidates by score; candidates left of the mark were selected."
        drawings.add("scores", "Distribution of the scores", alt, caption, figures.scores, values, cut)
    points = data.pca_map
    if points is None:
        return
    pool, target, picks = len(points.pool), len(points.target), len(points.picks)
    shown = f"{pool:,} candidates, {target:,} rows of target train and {picks:,} picks"
    caption = (
        f"A random sample: {shown}, each group sampled by itself, so the numbers are no shares. The axes are the "
        "first two principal components (PCA) of the vectors of these candidates and target rows. They hold "
        f"{sum(points.explained):.0%} of the variance: points that are near here may still be far apart, and the "
        "selection uses the whole vectors."
    )
    drawings.add(
        "map", "Map of candidates, target and picks", f"A scatter plot of {shown}.", caption, figures.pca_map, points
    )


def _of_transport(drawings: _Drawings, task: Task, records: dict[str, Record]) -> None:
    tolerance = task.transport.tolerance
    if history := PotentialsFacts.of(records["ot_potentials"]).history:
        alt = (
            f"{history[0][2]:.3g} at the first pass, {history[-1][2]:.3g} at the last; the tolerance is {tolerance:g}."
        )
        caption = (
            "L1 error of the target marginal, pass by pass: at larger ε first, then on samples of growing size. "
            "Dashed: the tolerance, which the last pass over all candidates must meet."
        )
        drawings.add("convergence", "Convergence", alt, caption, figures.convergence, history, tolerance)
    domains = TriageFacts.of(records["domain_triage"]).domains
    if len(domains) < 2:
        return
    named = [f"{plain.name(domain.domain)} {domain.distance:.3f}" for domain in domains[:3]]
    caption = "Transport distance of a sample of each domain from the target, nearest first."
    drawings.add(
        "distances", "Distance of each domain", f"Nearest: {'; '.join(named)}.", caption, figures.distances, domains
    )


def _of_training(drawings: _Drawings, records: dict[str, Record]) -> None:
    of_head = bool(BaseModelFacts.of(records["base_model"]).head_trained)
    for stage, trained in _TRAINED.items():
        points = Training.of(records[stage]).curve
        what = f"{trained}'s new head" if of_head and stage == "base_model" else trained
        losses = [point["loss"] for point in points if "loss" in point]
        if losses:
            title, alt = f"Loss of {what}", f"From {losses[0]:.3g} to {losses[-1]:.3g}, at {len(losses)} points."
            caption = f"Training loss of {what}, step by step."
            if any("eval_loss" in point for point in points):
                caption += " eval_loss is the loss on validation."
            right = [f"{point['eval_accuracy']:.1%}" for point in points if "eval_accuracy" in point]
            if right:
                caption += f" Accuracy on validation, epoch by epoch: {', '.join(right)}; the best was kept."
            drawings.add(stage, title, alt, caption, figures.curve, points, title)
