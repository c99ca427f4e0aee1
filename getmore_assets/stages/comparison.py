"""The runs of a comparison: every selector and seed, warmed up on equal tokens and fine-tuned by one recipe.

Belongs here: the data of each run, and finding the results of earlier runs. Does not: the conclusions (`scorecard.py`).
"""

import json
from dataclasses import dataclass, replace

import polars as pl

from getmore_assets.config import NONE, TARGET, UNSELECTED, Budget, Selector, Task
from getmore_assets.corpus import candidates
from getmore_assets.corpus.identity import fingerprint, hash_lines
from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.corpus.tokens import COUNT
from getmore_assets.errors import BadInput
from getmore_assets.facts import EncodedFacts, SelectionFacts, TriageFacts
from getmore_assets.json_models import Numbers
from getmore_assets.lake import TableRef
from getmore_assets.reporting.curves import QUANTILE
from getmore_assets.selection.budget import within_budget
from getmore_assets.stages.finetuned_model import evaluation_settings
from getmore_assets.stages.rankings import CODE_VERSION, RankingRequest, imported_version, rank, select_spec
from getmore_assets.stages.stage_context import StageContext
from getmore_assets.stages.warmed_model import SEED
from getmore_assets.training_facts import FineTuningFacts, Scored, WarmUpFacts
from getmore_assets.workers.contracts import SELECT
from getmore_assets.workers.training_contracts import COMPARE, ComparedRun, CompareSpec, WarmsOn

TABLE = "compared_subsets"
RUN_CODE_VERSION = "7"  # code version of a run, from the selection to the metrics
_WORDS_FACTOR = 4.0  # a warm-up gets this many times the budget's words, which is enough of the model's tokens


def names(task: Task) -> list[str]:
    """Return the names of the selectors: the chosen selector, then the compared selectors."""
    return [task.selection.called, *task.unselected, *(rival.called for rival in task.rivals)]


@dataclass(frozen=True)
class Run:
    """A run of a comparison.

    Attributes:
        request: The run as the worker gets it.
        ids: Ids of the warm-up's rows, in order; empty for no warm-up or a warm-up on the target's own text.
        share: Share of the budget.
        seconds: Time of the selection.
        metrics: The metrics, if the pipeline's own models are the run's models; else None.
    """

    request: ComparedRun
    ids: list[str]
    share: float
    seconds: float
    metrics: Numbers | None = None


def run_all(context: StageContext) -> tuple[list[Scored], list[Scored], TableRef | None]:
    """Train the runs that have no results yet, and return one row per selector and seed, the chosen selector first.

    Returns:
        The rows of the comparison; the rows of the curves, with fewer labels or on a share of the budget; and the table
        of the rivals' subsets, None without rivals.
    """
    seeds = range(context.task.seeds)
    runs = [_chosen_run(context, seed) for seed in seeds]
    runs += [_run(context, name, seed, []) for name in context.task.unselected for seed in seeds]
    rival_runs, compared = _rivals(context)
    runs += rival_runs
    curves = [*_curves(context, runs), *_quantiles(context)]
    _train([run for run in (*runs, *curves) if run.metrics is None], context)
    rows: list[Scored] = [_row(run, labels=run.request.labels, share=run.share) for run in curves]
    return [_row(run) for run in runs], rows, compared


def _train(runs: list[Run], context: StageContext) -> None:
    """Train and evaluate the runs that have no result file yet."""
    starts = list(dict.fromkeys(run.request.warms for run in runs))
    # In order of seeds. Runs that differ only in labels are adjacent, because they share a warmed model.
    runs = sorted(runs, key=lambda run: (run.request.seed, starts.index(run.request.warms)))
    # Selectors with equal subsets share a result file. The files are looked for here, once for all training processes.
    todo = [run for run in {run.request.result: run for run in runs}.values() if not run.request.result.is_file()]
    if todo:
        spec = CompareSpec(
            **context.common,
            act="compare",
            raw_corpus=context.table("raw_corpus"),
            target_data=context.table("target_data"),
            base=context.model("base_model"),
            classes=TargetFacts.of(context.inputs["target_data"]).labels,
            runs=[run.request for run in todo],
            selections={run.request.warms.hash: run.ids for run in todo if run.request.warms and run.ids},
        )
        context.launch(COMPARE, spec)


def _row(run: Run, **curve: float | None) -> Scored:
    request = run.request
    metrics = run.metrics or json.loads(request.result.read_text("utf-8"))
    selected = request.warms.hash if request.warms and request.selector != TARGET else None
    key = {"selector": request.selector, "seed": request.seed, **curve}
    return {**key, **metrics, "selection_seconds": run.seconds, "selection_hash": selected}


def _curves(context: StageContext, runs: list[Run]) -> list[Run]:
    """Return runs for the curves: all selectors on smaller budgets, the chosen selector and `none` on fewer labels."""
    settings, smaller, curves = context.task.curves, _smaller_subsets(context), []
    for run in runs:
        name, seed = run.request.selector, run.request.seed
        if name in (context.task.selection.called, NONE):
            curves += [_run(context, name, seed, run.ids, run.seconds, labels=labels) for labels in settings.labels]
        if run.ids:
            for share in settings.budgets:
                ids = smaller.get((name, seed, share), run.ids)
                curves.append(_run(context, name, seed, ids, run.seconds, share=share))
    return curves


def _smaller_subsets(context: StageContext) -> dict[tuple[str, int, float], list[str]]:
    """Return ids by selector name, seed and share of the budget, for selectors that plan for a budget.

    For other selectors, a smaller subset is the head of the ranking.
    """
    words, requests = SelectionFacts.of(context.inputs["selected_subset"]).n_tokens, {}
    for selector in (context.task.selection.only_selector(), *context.task.rivals):
        for seed in range(context.task.seeds) if selector.plans else ():
            for share in context.task.curves.budgets:
                seeded = _seeded(selector, seed) if selector in context.task.rivals else selector
                requests[selector.called, seed, share] = _request(context, seeded, max(1, round(share * words)))
    rank(context, list(requests.values()))
    return {key: _head(request)["id"].to_list() for key, request in requests.items()}


def _chosen_rows(context: StageContext) -> pl.DataFrame:
    """Return the rows that the pipeline's model was warmed up on; a kept model was warmed up on an earlier subset."""
    warmed = context.inputs["warmed_model"]
    table = warmed.input_table("selected_subset") if warmed.kept else context.table("selected_subset")
    rows = table.of_target(context.task.name).sort("rank")
    return rows.select("id", selector=pl.lit(context.task.selection.called)).collect()


def _chosen_run(context: StageContext, seed: int) -> Run:
    """Return a run of the chosen selector; the first seed's run has the metrics of the pipeline's own models."""
    selection, rank_seconds = context.task.selection, SelectionFacts.of(context.inputs["selected_subset"]).rank_seconds
    ids = _chosen_rows(context)["id"].to_list()
    run = _run(context, selection.called, seed, ids, _seconds(context, selection, rank_seconds))
    tuned = context.inputs["finetuned_model"]
    if seed != SEED or tuned.kept:
        return run
    warm_up, fine_tuning = WarmUpFacts.of(context.inputs["warmed_model"]), FineTuningFacts.of(tuned)
    costs = {
        "warmup_tokens": warm_up.tokens,
        "warmup_rows": warm_up.rows,
        "warmup_seconds": warm_up.warmup_seconds,
        "finetune_seconds": fine_tuning.finetune_seconds,
    }
    return replace(run, metrics={**fine_tuning.metrics, **costs})


def _quantiles(context: StageContext) -> list[Run]:
    """Return runs on slices of the pool, from nearest to farthest by the scores of one-shot GOT-D."""
    count, words = context.task.curves.quantiles, SelectionFacts.of(context.inputs["selected_subset"]).n_tokens
    if not count:
        return []
    request = _request(context, Selector(selector="got-d"), words)
    rank(context, [request])
    rows, runs = request.ranked().sort("rank").collect(), []
    for number in range(count):
        part = rows[round(number * rows.height / count) : round((number + 1) * rows.height / count)]
        if (tokens := part.select(COUNT.sum()).item()) < words:
            what = f"slice {number + 1} of {count} holds {tokens:,} words, the selection {words:,}"
            raise BadInput("curves.quantiles", what, "Use fewer slices, or lower selection.budget")
        ids = _first_words(part.lazy(), words).collect()["id"].to_list()
        runs += [_run(context, f"{QUANTILE}{number + 1}", seed, ids) for seed in range(context.task.seeds)]
    return runs


def distances(context: StageContext, compared: TableRef | None, share: float) -> dict[str, float]:
    """Return OT(λ D_U + (1 - λ) D_S, D_R) for every compared subset D_U; selections minimize it.

    Args:
        context: The scorecard's context.
        compared: The table of the rivals' subsets, from `run_all`.
        share: λ, the same for all subsets. D_S is the pool, D_R the target.
    """
    parts = [_chosen_rows(context)]
    if compared:
        rivals = compared.of_target(context.task.name).filter(pl.col("seed") == 0)
        parts.append(rivals.select("id", "selector").collect())
    rows = pl.concat(parts)
    subsets = {str(name): part["id"].to_list() for (name,), part in rows.group_by("selector", maintain_order=True)}
    spec = select_spec(context.common, context.table, [], context.inputs["ot_potentials"], None)
    return context.launch(SELECT, spec.model_copy(update={"measured": subsets, "share": share})).distances


def _request(context: StageContext, selector: Selector, words: int) -> RankingRequest:
    """Return a request whose path changes with everything that the ranking depends on."""
    path = context.lake.folder("choices", context.task.name) / _ranking_key(context, selector, words)
    return RankingRequest(selector=selector, budget=Budget(tokens=words), path=path)


def _head(request: RankingRequest) -> pl.DataFrame:
    """Return the first rows of a ranking, as many as a warm-up may need."""
    assert request.budget.tokens is not None
    return _first_words(request.ranked().sort("rank"), request.budget.tokens).collect()


def _first_words(rows: pl.LazyFrame, words: int) -> pl.LazyFrame:
    return rows.filter(COUNT.cum_sum() - COUNT < _WORDS_FACTOR * words)


def _seeded(rival: Selector, seed: int) -> Selector:
    """Return the selector with another seed if it samples, else unchanged."""
    return rival.model_copy(update={"seed": rival.seed + seed}) if rival.draws else rival


def _rivals(context: StageContext) -> tuple[list[Run], TableRef | None]:
    """Return the runs of the compared selectors, and write the table of their subsets."""
    words, seeds = SelectionFacts.of(context.inputs["selected_subset"]).n_tokens, range(context.task.seeds)
    requests = {
        (rival.called, seed): _request(context, _seeded(rival, seed), words)
        for rival in context.task.rivals
        for seed in seeds
    }
    rank(context, list(requests.values()))
    runs, subsets = [], []
    for rival in context.task.rivals:
        for seed in seeds:
            request = requests[rival.called, seed]
            rows = _head(request)
            seconds = _seconds(context, rival, request.facts().rank_seconds)
            runs.append(_run(context, rival.called, seed, rows["id"].to_list(), seconds))
            if seed == 0 or rival.draws:
                within = within_budget(rows, request.budget).select("id", "rank", "score", "domain")
                subsets.append(within.with_columns(selector=pl.lit(rival.called), seed=pl.lit(seed, pl.Int64)))
    key = {"target": context.task.name}
    return runs, context.lake.replace(TABLE, pl.concat(subsets), key, context.commit) if subsets else None


def _ranking_key(context: StageContext, rival: Selector, words: int) -> str:
    """Return a hash of everything that a ranking depends on."""
    reads = [*candidates.INPUTS]
    reads += ["embeddings"] if rival.reads else []
    reads += ["ot_potentials"] if "potentials" in rival.reads else []
    reads += ["base_model"] if rival.needs_base_model else []
    training = [context.task.warmup, context.task.base_model.objective] if rival.needs_base_model else None
    return fingerprint(
        CODE_VERSION,
        rival,
        training,
        imported_version(rival, context.task),
        words,
        {name: context.inputs[name].data_version for name in reads},
    )[:16]


def _seconds(context: StageContext, selector: Selector, rank_seconds: float) -> float:
    """Return the time of a whole selection: the ranking, and the vectors and potentials that it reads."""
    inputs, seconds = context.inputs, rank_seconds
    if "vectors" in selector.reads:  # all vectors of the task, including vectors that earlier runs encoded
        seconds += sum(EncodedFacts.of(inputs[name]).encode_seconds for name in ("domain_triage", "embeddings"))
        seconds += TriageFacts.of(inputs["domain_triage"]).solve_seconds
    if "potentials" in selector.reads:
        seconds += inputs["ot_potentials"].seconds
    return round(seconds, 2)


def _run(
    context: StageContext,
    selector: str,
    seed: int,
    ids: list[str],
    seconds: float = 0.0,
    *,
    labels: int | None = None,
    share: float = 1.0,
) -> Run:
    """Return a run whose result file changes with everything that the result depends on."""
    task, inputs = context.task, context.inputs
    rows, blocks = labels or task.finetune.rows, max(1, round(share * WarmUpFacts.of(inputs["warmed_model"]).blocks))
    text: list[str] | str = TARGET if selector == TARGET else ids
    key = fingerprint(
        RUN_CODE_VERSION,
        [blocks, task.warmup, text] if text else None,
        seed,
        rows,
        task.finetune,
        inputs["base_model"].data_version,
        inputs["target_data"].data_version,
        None if task.general else PoolFacts.of(inputs["raw_corpus"]).held_out_version,
        *evaluation_settings(task),
        *([selector] if selector in UNSELECTED and selector not in (NONE, TARGET) else []),
        *([task.warmup] if task.warmup.then_target else []),
    )
    warms = WarmsOn(hash=hash_lines(ids) if ids else TARGET, blocks=blocks) if text else None
    path = context.lake.folder("runs", task.name) / f"{key[:16]}.json"
    request = ComparedRun(selector=selector, seed=seed, warms=warms, labels=rows, result=path)
    return Run(request, ids, share, seconds)
