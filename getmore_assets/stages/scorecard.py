"""`scorecard`: the chosen selector against no warm-up and the other selectors."""

from typing import Any

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.facts import SelectionFacts
from getmore_assets.records import STAGE_NAMES
from getmore_assets.reporting import curves, figures, gates, report, report_data, statistics, tables, verdict
from getmore_assets.reporting.next_steps import next_steps
from getmore_assets.reporting.seeds import per_seed
from getmore_assets.stages import comparison, rankings
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import TARGET, Column
from getmore_assets.stages.finetuned_model import evaluation_settings
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.training_facts import GainFacts, GateFacts, ScorecardFacts, Scored

TABLE, CURVES = "scorecard", "scorecard_curves"
_MEASURED_ON = ("selected_subset.text", "target_data.text", "target_data.label")
_MOST_FORGETTING = 1.5  # times the perplexity on general text without a warm-up


def _settings(task: Task) -> Any:
    imported = [rankings.imported_version(rival, task) for rival in task.rivals]
    recipes = [task.warmup, task.finetune, *evaluation_settings(task)]
    versions = [rankings.CODE_VERSION, comparison.RUN_CODE_VERSION]
    return [versions, task.selection.called, *recipes, task.compare, imported, task.curves, task.seeds]


def _compare(context: StageContext) -> StageResult:
    chosen = context.task.selection.called
    rows, curve_rows, compared = comparison.run_all(context)
    scores = _frame(rows)
    table = context.lake.replace(TABLE, scores, {"target": context.task.name}, context.commit)
    summary, metric = statistics.summary(scores), statistics.main_metric(scores)
    gains, lines = verdict.gains(scores, chosen), _curves(context, scores, curve_rows)
    results = gates.gates(scores, context.task, context.inputs)
    cannot_tell = gates.failed(results)
    lambda_ = SelectionFacts.of(context.inputs["selected_subset"]).lambda_
    distances = {"lambda": lambda_, **comparison.distances(context, compared, lambda_)}
    data = report_data.read(context.task, context.inputs)
    figures.scorecard(summary, per_seed(scores, metric), metric, chosen, context.figure("scorecard"))
    figures.costs(statistics.costs(scores), context.figure("costs"))
    if data.pca_map:
        figures.pca_map(data.pca_map, context.figure("map"))
    page = report.write(
        context.lake.folder("exports", context.task.name) / "report.html",
        task=context.task,
        records=context.inputs,
        data=data,
        scores=scores,
        curves=lines,
        gates=results,
        distances=distances,
        own=context.commit | ({"mlflow_run_id": context.run.id} if context.run else {}),
    )
    facts = ScorecardFacts(
        verdict=[
            *verdict.sentences(scores, chosen, tells=cannot_tell is None),
            *(curve.sentence for curve in lines if curve.sentence),
        ],
        next=next_steps(context.task, gains, results, verdict.headline(gains, chosen, cannot_tell)[0]),
        gates=[GateFacts(**vars(gate)) for gate in results],
        summary={name: {m: str(i) for m, i in intervals.items()} for name, intervals in summary.items()},
        metrics={f"{name}/{m}": i.mean for name, intervals in summary.items() for m, i in intervals.items()},
        scored=rows,
        distances=distances,
        gains={name: GainFacts(t=str(gain), bootstrap=gain.bootstrap) for name, gain in gains.items()},
        selection_seconds=rows[0]["selection_seconds"],
    )
    return StageResult(scores.height, facts.given(), table, {"report": str(page)})


def _frame(rows: list[Scored]) -> pl.DataFrame:
    names = (*statistics.METRICS, "learning_rate")
    floats = dict.fromkeys(names, pl.Float64)
    whole = [{**dict.fromkeys(names), **row} for row in rows]
    return pl.DataFrame(whole, schema_overrides=floats, infer_schema_length=None)


def _curves(context: StageContext, scores: pl.DataFrame, rows: list[Scored]) -> list[curves.Curve]:
    """Return the task's curves; write their results as a table, and draw each."""
    if not rows:
        return []
    frame = _frame(rows)
    context.lake.replace(CURVES, frame, {"target": context.task.name}, context.commit)
    lines = curves.curves(context.task, scores, frame, TargetFacts.of(context.inputs["target_data"]).rows["train"])
    for line in lines:
        figures.lines(line.points, line.x_label, statistics.main_metric(scores), context.figure(line.name))
    return lines


@check()
def better_than_random(context: CheckContext) -> CheckResult:
    """The chosen selector is better than random rows by more than the noise of the seeds."""
    # A warning, because a selection that is not better is a valid result.
    gains = verdict.gains(context.rows.collect(), context.task.selection.called)
    passed = "random" in gains and verdict.judgement(gains["random"]) == verdict.BETTER
    metadata = {
        "verdict": ScorecardFacts.of(context.record).verdict,
        "gain": str(gains.get("random", "no random rows to compare with")),
    }
    return CheckResult(passed=passed, metadata=metadata)


@check(blocking=True)
def every_run_is_scored(context: CheckContext) -> CheckResult:
    """Every selector of the task has one finite result per seed, and all warm-ups had the same number of tokens."""
    task, scores = context.task, context.rows.collect()
    expected = {(selector, seed) for selector in comparison.names(task) for seed in range(task.seeds)}
    scored = scores.select("selector", "seed").rows()
    metric = statistics.main_metric(scores)
    bad = scores.filter(~pl.col(metric).is_finite().fill_null(False))
    tokens = scores.filter(pl.col("warmup_tokens") > 0)["warmup_tokens"].unique().sort().to_list()
    return CheckResult(
        passed=sorted(scored) == sorted(expected) and not bad.height and len(tokens) == 1 and bool(tokens[0]),
        metadata={
            "missing": [f"{selector}, seed {seed}" for selector, seed in sorted(expected - set(scored))],
            "rows": len(scored),
            "expected": len(expected),
            f"{metric}_not_finite": [f"{row['selector']}, seed {row['seed']}" for row in bad.iter_rows(named=True)],
            "warmup_tokens": tokens,
        },
    )


@check(
    description=f"Perplexity on general text is at most {_MOST_FORGETTING} times what it is without a warm-up.",
)
def forgetting_is_bounded(context: CheckContext) -> CheckResult:
    """Compare the means over the seeds; a warning, because the acceptable loss is the user's decision."""
    after = dict(context.rows.group_by("selector").agg(pl.col("general_perplexity").mean()).collect().rows())
    chosen, none = after.get(context.task.selection.called), after.get("none")
    if chosen is None or none is None:
        return CheckResult(passed=True, metadata={"note": "no general text, or no run without a warm-up"})
    return CheckResult(
        passed=chosen <= _MOST_FORGETTING * none,
        metadata={"general_perplexity": chosen, "without_warmup": none, "most": _MOST_FORGETTING},
    )


STAGE = Stage(
    name="scorecard",
    description="The chosen selector against no warm-up and the other selectors at equal tokens and with the same "
    "recipe: several seeds, intervals, the cost of each part, and a verdict, which may be: do not use this.",
    group="proof",
    kinds=frozenset({"deltalake", "torch"}),
    code_version="5",
    settings=_settings,
    compute=_compare,
    reads=STAGE_NAMES[:-1],
    tracked=True,
    on_gpu=True,
    hashes_models=True,
    columns={
        "target": TARGET,
        "selector": Column(pl.String, "the selector of the rows to warm up on; `none` for no warm-up"),
        "seed": Column(pl.Int64, "the seed of the trainings"),
        "selection_hash": Column(pl.String, "hash of the selected rows; null for no warm-up", ("selected_subset.id",)),
        "warmup_tokens": Column(
            pl.Int64, "the model's tokens in the warm-up, the same for every selector", ("selected_subset.text",)
        ),
        "warmup_rows": Column(pl.Int64, "rows of the warm-up", ("selected_subset.text",)),
        "warmup_seconds": Column(pl.Float64, "seconds of the warm-up"),
        "finetune_seconds": Column(pl.Float64, "seconds of fine-tuning and evaluation"),
        "learning_rate": Column(pl.Float64, "the rate of fine-tuning that was best on validation; null for one rate"),
        "selection_seconds": Column(pl.Float64, "seconds of selecting, with the vectors and potentials that it needs"),
        **{
            metric: Column(pl.Float64, f"{tables.MEANING[metric]}; null if it was not measured", _MEASURED_ON)
            for metric in statistics.METRICS
        },
    },
    checks=(better_than_random, every_run_is_scored, forgetting_is_bounded),
)
