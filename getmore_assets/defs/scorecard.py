"""`scorecard`: whether the warm-up was worth it."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.job import Job, Made
from getmore_assets.defs.line import Line, targets
from getmore_assets.defs.shared_checks import has_its_columns
from getmore_assets.defs.warmed_model import SEED
from getmore_assets.records import STATIONS
from getmore_assets.reporting import figures, report, statistics
from getmore_assets.selection import subset

TABLE = "scorecard"
_CODE_VERSION = "1"
_SPARE = 4.0  # how many times the selection's words a baseline draws, to have enough of the model's tokens
_INPUTS = STATIONS[:-1]
_MOST_FORGETTING = 1.5  # times the perplexity on general text without a warm-up


@dg.asset(
    deps=list(_INPUTS),
    partitions_def=targets,
    group_name="proof",
    kinds={"deltalake", "torch"},
    code_version="1",
    pool="gpu",
    description="The chosen selector against no warm-up and against random rows: the same tokens and recipe, "
    "several seeds, intervals, the cost of each part, and a verdict that may be: do not use this.",
)
def scorecard(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """Results per selector and seed as a Delta table, and the report."""
    return line.materialise(
        context,
        inputs=_INPUTS,
        settings=lambda t: [t.selection.selector, t.warmup, t.finetune, t.compare, t.seeds],
        make=_compare,
        track=True,
    )


def _compare(job: Job) -> Made:
    chosen = job.task.selection.selector
    runs = [_run(job, name, seed) for name in _selectors(job.task) for seed in range(job.task.seeds)]
    todo = [one for one in runs if "result" in one]
    base, subset_made = job.inputs["base_model"], job.inputs["selected_subset"]
    if todo:
        job.launch(
            "train",
            {
                "act": "compare",
                "runs": todo,
                "base": base.folders["model"],
                "blocks": job.inputs["warmed_model"].facts["blocks"],
                "classes": job.inputs["target_data"].facts["labels"],
            },
        )
    # Every vector of this task counts, also those that an earlier run encoded.
    encoding = sum(job.inputs[station].facts["encode_seconds"] for station in ("domain_triage", "embeddings"))
    solving = sum(job.inputs[station].seconds for station in ("ot_potentials", "selected_subset"))
    selection_seconds = round(encoding + job.inputs["domain_triage"].facts["solve_seconds"] + solving, 2)
    rows = [
        {
            "selector": one["selector"],
            "seed": one["seed"],
            **dict.fromkeys(statistics.METRICS),
            **(one.get("found") or json.loads(Path(one["result"]).read_text("utf-8"))),
            "selection_seconds": selection_seconds if one["selector"] == "got-d" else 0.0,
            "selection_hash": one["hash"],
        }
        for one in runs
    ]
    floats = dict.fromkeys(statistics.METRICS, pl.Float64)
    scores = pl.DataFrame(rows, schema_overrides=floats, infer_schema_length=None)
    table = job.lake.replace(TABLE, scores, {"target": job.task.name}, job.commit)
    summary, metric = statistics.summary(scores), statistics.main_metric(scores)
    figures.scorecard(summary, metric, chosen, job.figure("scorecard"))
    verdict = statistics.verdict(scores, chosen)
    page = _report(job, scores, subset_made.facts)
    metrics = {f"{s}/{m}": i.mean for s, found in summary.items() for m, i in found.items()}
    table_md = {s: {m: str(i) for m, i in found.items()} for s, found in summary.items()}
    facts = {
        "verdict": verdict,
        "summary": table_md,
        "metrics": metrics,
        "scored": rows,
        "selection_seconds": selection_seconds,
    }
    return Made(scores.height, facts, table, {"report": str(page)})


def _selectors(task: Task) -> list[str]:
    """The chosen one, then those that it is compared with."""
    return list(dict.fromkeys([task.selection.selector, *task.compare]))


def _run(job: Job, selector: str, seed: int) -> dict[str, Any]:
    """One training of the comparison: what is found already, or what the worker needs and where its result will be."""
    warmed, tuned = job.inputs["warmed_model"], job.inputs["finetuned_model"]
    one: dict[str, Any] = {"selector": selector, "seed": seed}
    if selector == job.task.selection.selector:
        one["hash"] = job.inputs["selected_subset"].facts["selection_hash"]
        if seed == SEED:
            costs = {"warmup_tokens": warmed.facts["tokens"], "warmup_rows": warmed.facts["rows"]}
            seconds = {
                name: made.facts[name] for made, name in ((warmed, "warmup_seconds"), (tuned, "finetune_seconds"))
            }
            return {**one, "found": {**tuned.facts["metrics"], **costs, **seconds}}
        one["ids"] = _ids(job)
    elif selector == "none":
        one |= {"ids": [], "hash": None}
    else:
        ids = _draw(job, seed)
        one |= {"ids": ids, "hash": subset.selection_hash(ids)}
    key = fingerprint(
        _CODE_VERSION,
        one["hash"],
        seed,
        warmed.facts["blocks"] if one["ids"] else None,
        job.task.finetune,
        job.task.warmup if one["ids"] else None,
        job.inputs["base_model"].data_version,
        job.inputs["target_data"].data_version,
        None if job.task.general else job.inputs["raw_corpus"].facts["held_out_version"],
    )
    return {**one, "result": str(job.lake.folder("runs", job.task.name) / f"{key[:16]}.json")}


def _ids(job: Job) -> list[str]:
    rows = job.table("selected_subset").scan().filter(pl.col("target") == job.task.name)
    return rows.sort("rank").select("id").collect()["id"].to_list()


def _draw(job: Job, seed: int) -> list[str]:
    """Random candidates, enough of them to fill the tokens of the selection."""
    pool, target, triage = (job.table(name) for name in ("raw_corpus", "target_data", "domain_triage"))
    eligible = candidates.find(pool, target, triage, job.task).eligible
    ranked = subset.rank_at_random(eligible, seed)
    enough = _SPARE * job.inputs["selected_subset"].facts["n_tokens"]
    return ranked.filter(pl.col("n_tokens").cum_sum() - pl.col("n_tokens") < enough)["id"].to_list()


def _report(job: Job, scores: pl.DataFrame, selection: dict[str, Any]) -> Path:
    records = [*job.inputs.values()]
    chosen = job.table("selected_subset").scan().filter(pl.col("target") == job.task.name)
    shown = (("selected_subset", "composition"), ("selected_subset", "scores"), ("ot_potentials", "convergence"))
    drawn = [job.inputs[station].figures.get(name) for station, name in shown]
    return report.write(
        job.lake.folder("exports", job.task.name) / "report.html",
        task=job.task.name,
        selector=job.task.selection.selector,
        scores=scores,
        subset=chosen.select("rank", "score", "domain", "text").collect(),
        candidates=selection["candidates"],
        hash_=selection["selection_hash"],
        records=records,
        figures=[job.figure("scorecard"), *(Path(path) for path in drawn if path)],
    )


@partition_check(
    scorecard,
    description="The chosen selector is better than random rows by more than the noise of the seeds.",
)
def better_than_random(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Reads the scorecard; a warning, because a selection that is not better is a result, not a fault."""
    task, record = line.record(context, "scorecard")
    scores = record.table_ref().scan().filter(pl.col("target") == task.name).collect()
    gains = statistics.gains(scores, task.selection.selector)
    passed = "random" in gains and gains["random"].mean - gains["random"].half_width > 0
    metadata = {"verdict": record.facts["verdict"], "gain": str(gains.get("random", "no random rows to compare with"))}
    return dg.AssetCheckResult(passed=passed, metadata=metadata)


@partition_check(
    scorecard,
    blocking=True,
    description="Every selector of the task stands there once with every seed, with a finite result, and those that "
    "warm up had the same tokens.",
)
def every_run_is_scored(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Compares the rows of the scorecard with the runs that the task asks for."""
    task, record = line.record(context, "scorecard")
    scores = record.table_ref().scan().filter(pl.col("target") == task.name).collect()
    wanted = {(selector, seed) for selector in _selectors(task) for seed in range(task.seeds)}
    there = scores.select("selector", "seed").rows()
    metric = statistics.main_metric(scores)
    bad = scores.filter(~pl.col(metric).is_finite().fill_null(False))
    tokens = scores.filter(pl.col("selector") != "none")["warmup_tokens"].unique().sort().to_list()
    return dg.AssetCheckResult(
        passed=sorted(there) == sorted(wanted) and not bad.height and len(tokens) == 1 and bool(tokens[0]),
        metadata={
            "missing": [f"{selector}, seed {seed}" for selector, seed in sorted(wanted - set(there))],
            "rows": len(there),
            "wanted": len(wanted),
            f"{metric}_not_finite": [f"{one['selector']}, seed {one['seed']}" for one in bad.iter_rows(named=True)],
            "warmup_tokens": tokens,
        },
    )


@partition_check(
    scorecard,
    description=f"Perplexity on general text is at most {_MOST_FORGETTING} times what it is without a warm-up.",
)
def forgetting_is_bounded(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Compares the means over the seeds; a warning, because how much may be forgotten is the user's to say."""
    task, record = line.record(context, "scorecard")
    scores = record.table_ref().scan().filter(pl.col("target") == task.name)
    after = dict(scores.group_by("selector").agg(pl.col("general_perplexity").mean()).collect().rows())
    chosen, none = after.get(task.selection.selector), after.get("none")
    if chosen is None or none is None:
        return dg.AssetCheckResult(passed=True, metadata={"note": "no general text, or no run without a warm-up"})
    return dg.AssetCheckResult(
        passed=chosen <= _MOST_FORGETTING * none,
        metadata={"general_perplexity": chosen, "without_warmup": none, "most": _MOST_FORGETTING},
    )


scorecard_has_its_columns = has_its_columns(
    scorecard,
    {
        **dict.fromkeys(("target", "selector", "selection_hash"), pl.String),
        **dict.fromkeys(("seed", "warmup_tokens", "warmup_rows"), pl.Int64),
        **dict.fromkeys(("warmup_seconds", "finetune_seconds", "selection_seconds"), pl.Float64),
        **dict.fromkeys(statistics.METRICS, pl.Float64),
    },
)
