"""The runs of a comparison: every selector and seed, warmed up on equal tokens and fine-tuned by one recipe.

Belongs here: what each run is trained on, and which results are there already. Does not: what is concluded
(`scorecard.py`).
"""

import json
from dataclasses import dataclass, replace

import polars as pl

from getmore_assets.config import DEFAULT, NONE, TARGET, UNSELECTED, Budget, Selector, Task
from getmore_assets.corpus import candidates
from getmore_assets.corpus.identity import fingerprint, hash_lines
from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.errors import BadInput
from getmore_assets.facts import EncodedFacts, SelectionFacts, TriageFacts
from getmore_assets.json_models import Numbers
from getmore_assets.lake import TableRef
from getmore_assets.reporting.curves import QUANTILE
from getmore_assets.selection.budget import within_budget
from getmore_assets.stages.finetuned_model import judged_by
from getmore_assets.stages.job import Job
from getmore_assets.stages.rankings import CODE_VERSION, RankingRequest, imported_version, rankings, spec
from getmore_assets.stages.warmed_model import SEED
from getmore_assets.training_facts import FineTuningFacts, Scored, WarmUpFacts
from getmore_assets.workers.contracts import SELECT
from getmore_assets.workers.training_contracts import COMPARE, ComparedRun, CompareSpec, WarmsOn

TABLE = "compared_subsets"
TRAINED = "6"  # the code version of a run, from a selection to its metrics
_SPARE = 4.0  # how many times the words that are asked for a ranking is read, to have enough of the model's tokens


def names(task: Task) -> list[str]:
    """The chosen selector, then what it is compared with."""
    return [task.selection.called, *task.unselected, *(one.called for one in task.rivals)]


@dataclass(frozen=True)
class Run:
    """A run of a comparison: what the worker is asked, and what is known beside it.

    Attributes:
        asked: Of the worker.
        ids: The rows that it warms up on, in order; empty for none, and for the target's own text.
        share: Of the budget.
        seconds: The selection took.
        found: Its metrics, where they are those of the pipeline's own models.
    """

    asked: ComparedRun
    ids: list[str]
    share: float
    seconds: float
    found: Numbers | None = None


def run_all(job: Job) -> tuple[list[Scored], list[Scored], TableRef | None]:
    """Make what is missing, seed by seed; one row of results for each selector and seed, the chosen one first.

    Returns:
        The comparison; the curves: the same with fewer labels, or on a share of the budget; and the table of the
        rivals' subsets, None where there are no rivals.
    """
    seeds = range(job.task.seeds)
    runs = [_own(job, seed) for seed in seeds]
    runs += [_run(job, name, seed, []) for name in job.task.unselected for seed in seeds]
    rivals, compared = _rivals(job)
    runs += rivals
    curves = [*_curves(job, runs), *_quantiles(job)]
    missing = [one for one in (*runs, *curves) if one.found is None]
    starts = list(dict.fromkeys(one.asked.warms for one in missing))
    # Seed by seed; runs that differ in labels alone side by side, as they start from one warmed model.
    todo = sorted(missing, key=lambda one: (one.asked.seed, starts.index(one.asked.warms)))
    # Selectors that chose alike share a result. What is there is left out here, for all processes of a training alike.
    todo = [one for one in {one.asked.result: one for one in todo}.values() if not one.asked.result.is_file()]
    if todo:
        spec = CompareSpec(
            **job.common,
            act="compare",
            raw_corpus=job.table("raw_corpus"),
            target_data=job.table("target_data"),
            base=job.model("base_model"),
            classes=TargetFacts.of(job.inputs["target_data"]).labels,
            runs=[one.asked for one in todo],
            selections={one.asked.warms.hash: one.ids for one in todo if one.asked.warms and one.ids},
        )
        job.launch(COMPARE, spec)
    along: list[Scored] = [_result(one, labels=one.asked.labels, share=one.share) for one in curves]
    return [_result(one) for one in runs], along, compared


def _result(run: Run, **along: float | None) -> Scored:
    measured = run.found or json.loads(run.asked.result.read_text("utf-8"))
    selected = run.asked.warms.hash if run.asked.warms and run.asked.selector != TARGET else None
    of = {"selector": run.asked.selector, "seed": run.asked.seed, **along}
    return {**of, **measured, "selection_seconds": run.seconds, "selection_hash": selected}


def _curves(job: Job, runs: list[Run]) -> list[Run]:
    """The chosen selector and no warm-up with fewer labels, and every selector on shares of the budget."""
    asked, smaller, curves = job.task.curves, _smaller(job), []
    for one in runs:
        name, seed = one.asked.selector, one.asked.seed
        again, ids, seconds = (job, name, seed), one.ids, one.seconds
        if name in (job.task.selection.called, NONE):
            curves += [_run(*again, ids, seconds, labels=labels) for labels in asked.labels]
        if ids:
            of_less = ((share, smaller.get((name, seed, share), ids)) for share in asked.budgets)
            curves += [_run(*again, less, seconds, share=share) for share, less in of_less]
    return curves


def _smaller(job: Job) -> dict[tuple[str, int, float], list[str]]:
    """What selectors that plan for their budget choose on a share of it, by name, seed and share.

    Of other selectors it is the head of their order.
    """
    words, asked = SelectionFacts.of(job.inputs["selected_subset"]).n_tokens, {}
    for one in (job.task.selection.only_selector(), *job.task.rivals):
        for seed in range(job.task.seeds) if one.plans else ():
            for share in job.task.curves.budgets:
                drawn = _drawn(one, seed) if one in job.task.rivals else one  # the chosen subset is one draw
                asked[one.called, seed, share] = _asked(job, drawn, max(1, round(share * words)))
    rankings(job, list(asked.values()))
    return {key: _head(made)["id"].to_list() for key, made in asked.items()}


def _selected(job: Job) -> pl.DataFrame:
    """The rows that the line's model was warmed up on: of an earlier selection, where that one's model stands."""
    warmed = job.inputs["warmed_model"]
    table = warmed.input_table("selected_subset") if warmed.kept else job.table("selected_subset")
    rows = table.of_target(job.task.name).sort("rank")
    return rows.select("id", selector=pl.lit(job.task.selection.called)).collect()


def _own(job: Job, seed: int) -> Run:
    """A run of the chosen selector; the first seed's is the line's own models, made of this target."""
    made, selected = job.task.selection, job.inputs["selected_subset"]
    ids = _selected(job)["id"].to_list()
    run = _run(job, made.called, seed, ids, _cost(job, made, SelectionFacts.of(selected).rank_seconds))
    warmed, tuned = job.inputs["warmed_model"], job.inputs["finetuned_model"]
    if seed == SEED and not tuned.kept:
        warm_up, fine_tuning = WarmUpFacts.of(warmed), FineTuningFacts.of(tuned)
        costs = {"warmup_tokens": warm_up.tokens, "warmup_rows": warm_up.rows}
        seconds = {"warmup_seconds": warm_up.warmup_seconds, "finetune_seconds": fine_tuning.finetune_seconds}
        found = {**fine_tuning.metrics, **costs, **seconds}
        return replace(run, found=found)
    return run


def _quantiles(job: Job) -> list[Run]:
    """No selectors, but slices of the pool from nearest to farthest, by the one-shot potentials."""
    count, words = job.task.curves.quantiles, SelectionFacts.of(job.inputs["selected_subset"]).n_tokens
    if not count:
        return []
    (made,) = rankings(job, [_asked(job, Selector(selector=DEFAULT), words)])
    rows, runs = made.rows(), []
    for number in range(count):
        part = rows[round(number * rows.height / count) : round((number + 1) * rows.height / count)]
        if part["n_tokens"].sum() < words:
            what = f"slice {number + 1} of {count} holds {part['n_tokens'].sum():,} words, the selection {words:,}"
            raise BadInput("curves.quantiles", what, "Ask for fewer slices, or lower selection.budget")
        ids = part.filter(pl.col("n_tokens").cum_sum() - pl.col("n_tokens") < _SPARE * words)["id"].to_list()
        runs += [_run(job, f"{QUANTILE}{number + 1}", seed, ids) for seed in range(job.task.seeds)]
    return runs


def distances(job: Job, compared: TableRef | None, share: float) -> dict[str, float]:
    """OT(λ D_U + (1 - λ) D_S, D_R) of every subset that is compared, at one λ: what selection brings down.

    Args:
        job: The scorecard's.
        compared: The rivals' subsets, from `run_all`.
        share: λ.
    """
    parts = [_selected(job)]
    if compared:
        theirs = compared.of_target(job.task.name).filter(pl.col("seed") == 0)
        parts.append(theirs.select("id", "selector").collect())
    rows = pl.concat(parts)
    measured = {str(name): part["id"].to_list() for (name,), part in rows.group_by("selector", maintain_order=True)}
    asked = spec(job.common, job.table, [], job.inputs["ot_potentials"], None)
    return job.launch(SELECT, asked.model_copy(update={"measured": measured, "share": share})).distances


def _asked(job: Job, selector: Selector, words: int) -> RankingRequest:
    """What a selector is asked; its answer lies in another place when what it depends on has changed."""
    path = job.lake.folder("choices", job.task.name) / _key(job, selector, words)
    return RankingRequest(selector=selector, budget=Budget(tokens=words), path=path)


def _head(made: RankingRequest) -> pl.DataFrame:
    """The rows of a ranking that a warm-up may come to, by rank."""
    assert made.budget.tokens is not None
    words = made.budget.tokens
    return made.rows().filter(pl.col("n_tokens").cum_sum() - pl.col("n_tokens") < _SPARE * words)


def _drawn(rival: Selector, seed: int) -> Selector:
    return rival.model_copy(update={"seed": rival.seed + seed}) if rival.draws else rival


def _rivals(job: Job) -> tuple[list[Run], TableRef | None]:
    """The runs of the selectors that the chosen one is compared with, and the table that their subsets went to."""
    words, seeds = SelectionFacts.of(job.inputs["selected_subset"]).n_tokens, range(job.task.seeds)
    asked: dict[tuple[str, int], RankingRequest] = {}
    for rival in job.task.rivals:
        for seed in seeds:
            asked[rival.called, seed] = _asked(job, _drawn(rival, seed), words)
    rankings(job, list(asked.values()))
    runs, subsets = [], []
    for rival in job.task.rivals:
        for seed in seeds:
            made = asked[rival.called, seed]
            rows = _head(made)
            cost = _cost(job, rival, made.facts().rank_seconds)
            runs.append(_run(job, rival.called, seed, rows["id"].to_list(), cost))
            if seed == 0 or rival.draws:
                within = within_budget(rows, made.budget).select("id", "rank", "score", "domain")
                subsets.append(within.with_columns(selector=pl.lit(rival.called), seed=pl.lit(seed, pl.Int64)))
    key = {"target": job.task.name}
    return runs, job.lake.replace(TABLE, pl.concat(subsets), key, job.commit) if subsets else None


def _key(job: Job, rival: Selector, words: int) -> str:
    """Names a ranking: it is made again when what it depends on has changed."""
    reads = [*candidates.INPUTS]
    reads += ["embeddings"] if rival.reads else []
    reads += ["ot_potentials"] if "potentials" in rival.reads else []
    reads += ["base_model"] if rival.asks_a_model else []
    trains = [job.task.warmup, job.task.base_model.objective] if rival.asks_a_model else None
    return fingerprint(
        CODE_VERSION,
        rival,
        trains,
        imported_version(rival, job.task),
        words,
        {name: job.inputs[name].data_version for name in reads},
    )[:16]


def _cost(job: Job, chosen: Selector, seconds: float) -> float:
    """Seconds of the whole selection: vectors and potentials, where it reads them, and the ranking itself."""
    made = job.inputs
    if "vectors" in chosen.reads:  # every vector of this task counts, also those that an earlier run encoded
        seconds += sum(EncodedFacts.of(made[name]).encode_seconds for name in ("domain_triage", "embeddings"))
        seconds += TriageFacts.of(made["domain_triage"]).solve_seconds
    if "potentials" in chosen.reads:
        seconds += made["ot_potentials"].seconds
    return round(seconds, 2)


def _run(
    job: Job,
    selector: str,
    seed: int,
    ids: list[str],
    seconds: float = 0.0,
    *,
    labels: int | None = None,
    share: float = 1.0,
) -> Run:
    """A run, with the place where its result will be."""
    rows, blocks = labels or job.task.finetune.rows, WarmUpFacts.of(job.inputs["warmed_model"]).blocks
    text: list[str] | str = TARGET if selector == TARGET else ids
    read = max(1, round(share * blocks))
    warms = [read, job.task.warmup, text] if text else None
    without = [selector] if selector in UNSELECTED and selector not in (NONE, TARGET) else []
    adapted = [job.task.warmup] if job.task.warmup.then_target else []
    key = fingerprint(
        TRAINED,
        warms,
        seed,
        rows,
        job.task.finetune,
        job.inputs["base_model"].data_version,
        job.inputs["target_data"].data_version,
        None if job.task.general else PoolFacts.of(job.inputs["raw_corpus"]).held_out_version,
        *judged_by(job.task),
        *without,
        *adapted,
    )
    on = WarmsOn(hash=hash_lines(ids) if ids else TARGET, blocks=read) if text else None
    place = job.lake.folder("runs", job.task.name) / f"{key[:16]}.json"
    return Run(ComparedRun(selector=selector, seed=seed, warms=on, labels=rows, result=place), ids, share, seconds)
