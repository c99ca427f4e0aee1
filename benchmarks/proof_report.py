"""The results of `proof.py`: figures per seed, arm and target, statistics, and the page.

Belongs here: reading scorecards, pairing seeds, writing the page. Does not: running (`proof.py`), the arms
(`proof_protocol.py`), or the predictions (`proof_predictions.py`).
"""

import math
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from proof_predictions import AFTER, BEFORE, GENERAL, LEVERS, PREDICTIONS
from proof_protocol import OURS, Part

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.reporting import p_values, statistics, verdict
from getmore_assets.reporting.curves import QUANTILE
from getmore_assets.stages.scorecard import CURVES

_RATES = ("micro_f1", "probe_micro_f1")
_IN_WORDS = {
    BEFORE: "nats a character before the target's text",
    AFTER: "nats a character after it",
    GENERAL: "nats a character of general text, at the end",
    "micro_f1": "micro-F1",
    "probe_micro_f1": "micro-F1 of a linear probe",
}


def collect(lake: Path, parts: list[Part], names: list[str], tuning: str) -> dict[str, Any]:
    """Return all figures so far: by part and target, pooled over the held-out targets, and predictions."""
    cores = len(os.sched_getaffinity(0))
    found: dict[str, Any] = {"machine": f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"}
    found |= {"versions": {name: version(name) for name in ("torch", "transformers", "polars")}, "parts": {}}
    for part in parts:
        of_targets = [one for name in names if part.takes(name) and (one := _target(lake, part, name, tuning))]
        held_out = [one for one in of_targets if not one["tuning"]]
        predictions = [
            {"said": one.said, "holds": one.holds(held_out)} for one in PREDICTIONS.get(part.name, []) if held_out
        ]
        found["parts"][part.name] = {
            "targets": of_targets,
            "pooled": _pooled([one for one in held_out if not one["cannot_tell"]], part),
            "predictions": predictions,
        }
    found["levers"] = [
        {"said": said, "holds": came} for said, holds in LEVERS if (came := holds(found["parts"])) is not None
    ]
    return found


def _target(lake: Path, part: Part, name: str, tuning: str) -> dict[str, Any] | None:
    """Return the figures of a part on a target; None without a scorecard."""
    task = f"{part.name}-{name}"
    if not (lake / "records").is_dir() or (record := Records(Lake(lake), task).last("scorecard")) is None:
        return None
    scores = record.table_ref().of_target(task).collect()
    metrics = [metric for metric in _metrics(part) if scores[metric].is_not_null().any()]
    shown = ["selector", "seed", "warmup_tokens", "warmup_rows", *metrics]
    compared = scores.select(shown)
    runs = compared
    if part.curves and (curves := _curves(lake, task)).height:  # other labels or rows: shown, but no rivals
        runs = pl.concat([compared, curves.select(shown)], how="vertical_relaxed")
    arms = {
        str(arm): {metric: _interval(rows[metric].to_list()) for metric in metrics}
        for (arm,), rows in runs.group_by("selector", maintain_order=True)
    }
    gates = record.facts["gates"]
    failed = [gate["said"] for gate in gates if gate["passed"] is False]
    return {
        "target": name,
        "tuning": name == tuning,
        "gates": gates,
        "cannot_tell": "; ".join(failed),
        "verdict": record.facts["verdict"] if part.curves else [],
        "arms": arms,
        "against": {metric: _against({name: compared}, metric) for metric in metrics},
        "runs": runs.sort("selector", "seed").to_dicts(),
    }


def _curves(lake: Path, task: str) -> pl.DataFrame:
    """Return the runs of a task's curves; those with fewer labels have the number in the name of the selector."""
    if (table := Lake(lake).latest(CURVES)) is None:
        return pl.DataFrame()
    fewer = pl.col("labels").is_not_null() & ~pl.col("selector").str.starts_with(QUANTILE)
    named = pl.when(fewer).then(pl.format("{}, {} labels", "selector", "labels")).otherwise("selector")
    return table.of_target(task).with_columns(selector=named).collect()


def _metrics(part: Part) -> list[str]:
    return [*_RATES, BEFORE, GENERAL] if part.labels else [AFTER, BEFORE, GENERAL]


def _interval(values: list[float | None]) -> dict[str, float]:
    found = statistics.interval(values)
    return {"mean": found.mean, "half_width": found.half_width, "n": found.n}


def _pooled(held_out: list[dict[str, Any]], part: Part) -> dict[str, Any]:
    """Compare `ours` with each rival over the held-out targets that pass the gates, paired by target and seed."""
    frames = {one["target"]: pl.DataFrame(one["runs"], infer_schema_length=None) for one in held_out}
    return {metric: _against(frames, metric) for metric in _metrics(part)} if len(frames) > 1 else {}


def _against(frames: dict[str, pl.DataFrame], metric: str) -> dict[str, Any]:
    """Compare `ours` with each rival: its gain (nats: in percent of the rival's), and the judgement.

    Args:
        frames: Target → its runs.
        metric: The metric of the runs.
    """
    differences: dict[str, list[float]] = {}
    for rows in frames.values():
        mine = rows.filter(pl.col("selector") == OURS).select("seed", mine=metric)
        for (arm,), theirs in rows.filter(pl.col("selector") != OURS).group_by("selector", maintain_order=True):
            both = mine.join(theirs.select("seed", theirs=metric), on="seed").drop_nulls().sort("seed")
            ahead = (both["mine"] - both["theirs"]) if metric in _RATES else 100 * (1 - both["mine"] / both["theirs"])
            differences.setdefault(str(arm), []).extend(ahead.to_list())
    margin = 0.01 if metric in _RATES else 1.0
    adjusted = p_values.holm({arm: p_values.p_value(found) for arm, found in differences.items()})
    return {arm: _judged(found, adjusted[arm], margin) for arm, found in differences.items()}


def _judged(differences: list[float], p: float, margin: float) -> dict[str, Any]:
    gain = verdict.Gain(
        **vars(statistics.interval([*differences])),
        p=p,
        level=p_values.p_equivalence(differences, margin) < p_values.ALPHA,
        margin=margin,
        smallest=p_values.smallest_shown(differences),
    )
    kept = {name: value for name, value in vars(gain).items() if name != "bootstrap"}
    return {**kept, "judgement": verdict.judgement(gain)}


def page(found: dict[str, Any]) -> str:
    """Return the figures as a page of Markdown: gates first, then arms, then predictions."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    lines = ["# What a selection is worth", "", f"{found['machine']}; {versions}. Intervals are 95 % over seeds.", ""]
    for name, part in found["parts"].items():
        lines += [f"## {name}", ""]
        if not part["targets"]:
            lines += ["Not run yet.", ""]
        for one in part["targets"]:
            lines += _of_target(one)
        for metric, rivals in part["pooled"].items():
            title = f"All held-out targets that pass the gates, {_IN_WORDS[metric]}"
            lines += [f"### {title}", "", *_rivals(rivals, metric), ""]
        if part["predictions"]:
            lines += ["### Predictions", "", *_predictions(part["predictions"])]
    if found["levers"]:
        lines += ["## What one setting changes", "", *_predictions(found["levers"])]
    return "\n".join(lines)


def _predictions(predictions: list[dict[str, Any]]) -> list[str]:
    words = {True: "yes", False: "no", None: "not known yet"}
    rows = [f"| {one['said']} | {words[one['holds']]} |" for one in predictions]
    return ["| prediction, written before the runs | holds |", "|---|---|", *rows, ""]


def _of_target(one: dict[str, Any]) -> list[str]:
    passed = {True: "passed", False: "**not passed**", None: "not evaluated"}
    lines = [f"### {one['target']}{' (for tuning only)' if one['tuning'] else ''}", ""]
    lines += [f"- gate {gate['name']}, {passed[gate['passed']]}: {gate['said']}" for gate in one["gates"]]
    if one["cannot_tell"]:
        lines += ["", "**This task cannot distinguish the selections.**"]
    if one["verdict"]:
        lines += ["", "The scorecard says:", "", *(f"- {sentence}" for sentence in one["verdict"])]
    metrics = list(next(iter(one["arms"].values())))
    lines += ["", f"| arm | {' | '.join(_IN_WORDS[metric] for metric in metrics)} |", f"|---|{'---|' * len(metrics)}"]
    for arm, figures in one["arms"].items():
        lines.append(f"| {arm} | {' | '.join(_shown(figures[metric]) for metric in metrics)} |")
    for metric in metrics[:2]:
        lines += ["", f"{OURS} against each arm, {_IN_WORDS[metric]}:", "", *_rivals(one["against"][metric], metric)]
    return [*lines, ""]


def _rivals(rivals: dict[str, Any], metric: str) -> list[str]:
    unit = "points" if metric in _RATES else "% of nats"
    lines = [f"| rival | gain, {unit} | pairs | p, Holm | smallest detectable gain | judgement |", f"|{'---|' * 6}"]
    for arm, one in rivals.items():
        cells = [arm, _shown(one), one["n"], _short(one["p"]), _short(one["smallest"]), one["judgement"]]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return lines


def _shown(one: dict[str, Any]) -> str:
    return str(statistics.Interval(one["mean"], one["half_width"], one["n"]))


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2g}"
