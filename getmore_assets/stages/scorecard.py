"""`scorecard`: whether the warm-up was worth it."""

from typing import Any

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.facts import SelectionFacts
from getmore_assets.records import STAGE_NAMES
from getmore_assets.reporting import curves, evidence, figures, gates, report, statistics, tables, verdict
from getmore_assets.reporting.next_steps import next_steps
from getmore_assets.reporting.seeds import per_seed
from getmore_assets.stages import comparison, rankings
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import TARGET, Column
from getmore_assets.stages.finetuned_model import judged_by
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.training_facts import GainFacts, GateFacts, ScorecardFacts, Scored

TABLE, CURVES = "scorecard", "scorecard_curves"
_MEASURED_ON = ("selected_subset.text", "target_data.text", "target_data.label")
_MOST_FORGETTING = 1.5  # times the perplexity on general text without a warm-up


def _settings(task: Task) -> Any:
    imported = [rankings.imported_version(rival, task) for rival in task.rivals]
    recipes = [task.warmup, task.finetune, *judged_by(task)]
    versions = [rankings.CODE_VERSION, comparison.TRAINED]
    return [versions, task.selection.called, *recipes, task.compare, imported, task.curves, task.seeds]


def _compare(job: Job) -> StageResult:
    chosen = job.task.selection.called
    rows, measured, compared = comparison.run_all(job)
    scores = _frame(rows)
    table = job.lake.replace(TABLE, scores, {"target": job.task.name}, job.commit)
    summary, metric = statistics.summary(scores), statistics.main_metric(scores)
    gains, along = verdict.gains(scores, chosen), _curves(job, scores, measured)
    passed = gates.gates(scores, job.task, job.inputs)
    cannot_tell = gates.failed(passed)
    share = SelectionFacts.of(job.inputs["selected_subset"]).lambda_
    distances = {"lambda": share, **comparison.distances(job, compared, share)}
    found = evidence.read(job.task, job.inputs)
    figures.scorecard(summary, per_seed(scores, metric), metric, chosen, job.figure("scorecard"))
    figures.costs(statistics.costs(scores), job.figure("costs"))
    if found.landscape:
        figures.landscape(found.landscape, job.figure("map"))
    page = report.write(
        job.lake.folder("exports", job.task.name) / "report.html",
        task=job.task,
        made=job.inputs,
        evidence=found,
        scores=scores,
        curves=along,
        gates=passed,
        distances=distances,
        own=job.commit | ({"mlflow_run_id": job.run.id} if job.run else {}),
    )
    metrics = {f"{s}/{m}": i.mean for s, found in summary.items() for m, i in found.items()}
    table_md = {s: {m: str(i) for m, i in found.items()} for s, found in summary.items()}
    facts = ScorecardFacts(
        verdict=[
            *verdict.sentences(scores, chosen, tells=cannot_tell is None),
            *(curve.said for curve in along if curve.said),
        ],
        next=next_steps(job.task, gains, passed, verdict.headline(gains, chosen, cannot_tell)[0]),
        gates=[GateFacts(**vars(gate)) for gate in passed],
        summary=table_md,
        metrics=metrics,
        scored=rows,
        distances=distances,
        gains={name: GainFacts(t=str(gain), bootstrap=gain.bootstrap) for name, gain in gains.items()},
        selection_seconds=rows[0]["selection_seconds"],
    )
    return StageResult(scores.height, facts.given(), table, {"report": str(page)})


def _frame(rows: list[Scored]) -> pl.DataFrame:
    floats = dict.fromkeys(statistics.METRICS, pl.Float64)
    whole = [{**dict.fromkeys(statistics.METRICS), **row} for row in rows]
    return pl.DataFrame(whole, schema_overrides=floats, infer_schema_length=None)


def _curves(job: Job, scores: pl.DataFrame, measured: list[Scored]) -> list[curves.Curve]:
    """The curves, where any were asked for; their runs as a table, and each as a figure."""
    if not measured:
        return []
    frame = _frame(measured)
    job.lake.replace(CURVES, frame, {"target": job.task.name}, job.commit)
    found = curves.curves(job.task, scores, frame, TargetFacts.of(job.inputs["target_data"]).rows["train"])
    for one in found:
        figures.lines(one.points, one.along, statistics.main_metric(scores), job.figure(one.name))
    return found


@check()
def better_than_random(of: Checked) -> Finding:
    """The chosen selector is better than random rows by more than the noise of the seeds."""
    # It does not block: a selection that is not better is a result, not a fault.
    gains = verdict.gains(of.rows.collect(), of.task.selection.called)
    passed = "random" in gains and verdict.judgement(gains["random"]) == verdict.BETTER
    metadata = {
        "verdict": ScorecardFacts.of(of.record).verdict,
        "gain": str(gains.get("random", "no random rows to compare with")),
    }
    return Finding(passed=passed, metadata=metadata)


@check(blocking=True)
def every_run_is_scored(of: Checked) -> Finding:
    """Every selector of the task stands there once with every seed.

    Each has a finite result, and those that warm up had the same tokens.
    """
    task, scores = of.task, of.rows.collect()
    wanted = {(selector, seed) for selector in comparison.names(task) for seed in range(task.seeds)}
    there = scores.select("selector", "seed").rows()
    metric = statistics.main_metric(scores)
    bad = scores.filter(~pl.col(metric).is_finite().fill_null(False))
    tokens = scores.filter(pl.col("warmup_tokens") > 0)["warmup_tokens"].unique().sort().to_list()
    return Finding(
        passed=sorted(there) == sorted(wanted) and not bad.height and len(tokens) == 1 and bool(tokens[0]),
        metadata={
            "missing": [f"{selector}, seed {seed}" for selector, seed in sorted(wanted - set(there))],
            "rows": len(there),
            "wanted": len(wanted),
            f"{metric}_not_finite": [f"{one['selector']}, seed {one['seed']}" for one in bad.iter_rows(named=True)],
            "warmup_tokens": tokens,
        },
    )


@check(
    description=f"Perplexity on general text is at most {_MOST_FORGETTING} times what it is without a warm-up.",
)
def forgetting_is_bounded(of: Checked) -> Finding:
    """Compares the means over the seeds; a warning, because how much may be forgotten is the user's to say."""
    after = dict(of.rows.group_by("selector").agg(pl.col("general_perplexity").mean()).collect().rows())
    chosen, none = after.get(of.task.selection.called), after.get("none")
    if chosen is None or none is None:
        return Finding(passed=True, metadata={"note": "no general text, or no run without a warm-up"})
    return Finding(
        passed=chosen <= _MOST_FORGETTING * none,
        metadata={"general_perplexity": chosen, "without_warmup": none, "most": _MOST_FORGETTING},
    )


STAGE = Stage(
    name="scorecard",
    description="The chosen selector against no warm-up and the other selectors: the same tokens and recipe, "
    "several seeds, intervals, the cost of each part, and a verdict that may be: do not use this.",
    group="proof",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="5",
    settings=_settings,
    make=_compare,
    reads=STAGE_NAMES[:-1],
    tracked=True,
    on_gpu=True,
    asks_models=True,
    columns={
        "target": TARGET,
        "selector": Column(pl.String, "what chose the rows to warm up on; none is no warm-up"),
        "seed": Column(pl.Int64, "of the trainings"),
        "selection_hash": Column(
            pl.String, "of the rows that were selected; null without a warm-up", ("selected_subset.id",)
        ),
        "warmup_tokens": Column(
            pl.Int64,
            "tokens of the model that it was warmed up on: the same for every selector",
            ("selected_subset.text",),
        ),
        "warmup_rows": Column(pl.Int64, "rows that these tokens come from", ("selected_subset.text",)),
        "warmup_seconds": Column(pl.Float64, "the warm-up took"),
        "finetune_seconds": Column(pl.Float64, "fine-tuning and evaluation took"),
        "selection_seconds": Column(pl.Float64, "selecting took, with the vectors and potentials that it needs"),
        **{
            metric: Column(pl.Float64, f"{tables.MEANING[metric]}; null where it was not measured", _MEASURED_ON)
            for metric in statistics.METRICS
        },
    },
    checks=(better_than_random, every_run_is_scored, forgetting_is_bounded),
)
