"""`selected_subset`: the rows to warm up on."""

from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.target import guard_of, ids_of
from getmore_assets.corpus.tokens import COUNT
from getmore_assets.facts import EmbeddingFacts, PotentialsFacts, SelectionFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import difference
from getmore_assets.selection.budget import resolved, within_budget
from getmore_assets.selection.choice import Choice, take
from getmore_assets.selection.context import Tables
from getmore_assets.selection.counterfactuals import cuts_scores, decider
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.columns import DOMAIN, ID, SOURCE, TARGET, TEXT, TEXTS, WORDS, Column
from getmore_assets.stages.rankings import CODE_VERSION, RankingRequest, imported_version, rank
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult

TABLE, LEDGER = "selected_subset", "row_ledger"
_TABLES = tuple(Tables.__dataclass_fields__)
#: GOT-D ranks by potentials, other selectors by vectors or texts.
_RANKED_BY = ("ot_potentials.potential", "embeddings.vector", *TEXTS)


def _settings(task: Task) -> Any:
    selection = task.selection
    training = [task.warmup, task.base_model.objective] if selection.needs_base_model else None
    return [CODE_VERSION, selection, training, imported_version(selection, task)]


def _select(context: StageContext) -> StageResult:
    selector, budget = context.task.selection.only_selector(), context.task.selection.budget
    ranking = RankingRequest(selector=selector, budget=budget, path=context.work / "ranked")
    rank(context, [ranking])
    encoder = EmbeddingFacts.of(context.inputs["embeddings"]).encoder
    epsilon = PotentialsFacts.of(context.inputs["ot_potentials"]).epsilon
    tables = Tables(**{name: context.table(name) for name in _TABLES})
    choice = take(context.task, tables, encoder, epsilon, ranking.ranked())
    key = {"target": context.task.name}
    table = context.lake.replace(TABLE, choice.rows, key, context.commit)
    ledger = context.lake.replace(LEDGER, choice.ledger, key, context.commit)
    exported = context.lake.folder("exports", context.task.name) / "selected.parquet"
    choice.rows.write_parquet(exported.with_suffix(".partial"))
    exported.with_suffix(".partial").replace(exported)
    selected = dict(choice.rows["domain"].value_counts().rows())
    figures.composition(dict(choice.found.domains.rows()), selected, context.figure("composition"))
    if cuts_scores(decider(context.task.selection, ranking.facts())):
        scores = choice.ranked.select("score").collect()["score"].to_numpy()
        figures.scores(scores, float(choice.rows["score"][-1]), context.figure("scores"))
    train = ids_of(tables.target_data, context.task, ["train"])
    facts = SelectionFacts(
        encoder=encoder,
        epsilon=epsilon,
        ledger=ledger,
        also_in_train=choice.rows.join(train, on="id", how="semi").height,
        **_counts(choice),
        **ranking.facts().given(),
        **_change(context, choice.rows),
    )
    return StageResult(choice.rows.height, facts.given(), table, {"parquet": str(exported)}, choice.hash)


def _change(context: StageContext, rows: pl.DataFrame) -> JsonObject:
    """Return the difference from the last selection, and draw it; empty for the first selection."""
    if context.last is None:
        return {}
    before = context.last.table_ref().of_target(context.task.name)
    changed = difference(before.select("id", "rank", "domain").collect(), rows.select("id", "rank", "domain"))
    figures.difference(changed, context.figure("difference"))
    return {f"change_{name}": value for name, value in changed.__dict__.items()}


def _counts(choice: Choice) -> JsonObject:
    rows, excluded = choice.rows, choice.found.excluded_rows
    leaked = excluded.filter(pl.col("stage").is_in(["target_data", "leakage"])).sort("id").collect()
    share = {d: n / rows.height for d, n in rows["domain"].value_counts(sort=True).rows()}
    return {
        "selection_hash": choice.hash,
        "candidates": choice.found.count,
        "excluded": excluded.select(pl.len()).collect().item(),
        "left_pool": leaked.select("id", "origin", "reason").to_dicts(),
        "left_pool_rows": leaked.height,
        "n_tokens": rows.select(COUNT.sum()).item(),
        "domains": {d: float(np.round(s, 4)) for d, s in share.items()},
    }


@check(blocking=True)
def the_budget_is_kept(context: CheckContext) -> CheckResult:
    """The selection keeps its budget, has every id once and is ranked without gaps."""
    task, record = context.task, context.record
    rows = context.rows.sort("rank").collect()
    within = within_budget(rows, resolved(task.selection.budget, SelectionFacts.of(record).candidates))
    passed = (
        0 < rows.height == within.height
        and rows["id"].n_unique() == rows.height
        and rows["rank"].to_list() == list(range(1, rows.height + 1))
    )
    metadata = {"rows": rows.height, "within_budget": within.height, "tokens": rows.select(COUNT.sum()).item()}
    return CheckResult(passed=passed, metadata=metadata)


@check(reads=("target_data",), blocking=True)
def nothing_evaluated_is_selected(context: CheckContext) -> CheckResult:
    """No selected row is in the target's validation or test split, or overlaps one of their rows."""
    target_data, picks = context.record_of("target_data").table_ref(), context.rows.select("id", "text").collect()
    evaluated = picks.join(ids_of(target_data, context.task), on="id").sort("id")
    metadata: JsonObject = {"found": evaluated.height, "first": evaluated["id"].head(20).to_list()}
    if context.task.leakage == "allow":
        return CheckResult(passed=not evaluated.height, metadata={**metadata, "note": "overlaps are allowed"})
    guard = guard_of(target_data.of_target(context.task.name).select("split", "id", "text").collect())
    leaks = guard.leaks(picks)
    metadata |= {"overlapping": leaks.height, "first_overlapping": leaks["id"].head(20).to_list()}
    return CheckResult(passed=not evaluated.height and not leaks.height, metadata=metadata)


@check(reads=("raw_corpus",), blocking=True)
def picks_are_the_pools_rows(context: CheckContext) -> CheckResult:
    """Every selected row is in the pool with the same text, and is neither a near-duplicate nor held out."""
    picks = context.rows.select("id", "text").collect()
    rows = pool.scan_pool(context.record.input_table("raw_corpus"), pool.pool_key(context.task))
    rows = pool.with_ids(rows, picks["id"]).select("id", pl.col("text").alias("pool_text"), "duplicate_of", "held_out")
    joined = picks.join(rows.collect(), on="id", how="left").sort("id")
    absent = pl.col("pool_text").is_null()
    wrong = {
        "not_in_the_pool": joined.filter(absent),
        "other_text": joined.filter(~absent & pl.col("text").ne_missing(pl.col("pool_text"))),
        "not_to_be_picked": joined.filter(pl.col("held_out") | pl.col("duplicate_of").is_not_null()),
    }
    return CheckResult(
        passed=picks.height > 0 and not any(rows.height for rows in wrong.values()),
        metadata={
            **{reason: rows.height for reason, rows in wrong.items()},
            "first": pl.concat(rows["id"] for rows in wrong.values()).head(20).to_list(),
        },
    )


STAGE = Stage(
    name="selected_subset",
    description="The selected subset: id, text, score, rank and nearest target rows of the candidates within the "
    "budget. GOT-D ranks by the calibrated gradient, most negative first.",
    group="selection",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=_settings,
    compute=_select,
    reads=(*_TABLES, "base_model"),
    reads_if={"base_model": lambda task: task.selection.needs_base_model},
    on_gpu=True,
    columns={
        "target": TARGET,
        "id": ID.of("raw_corpus.id"),
        "text": TEXT.of("raw_corpus.text"),
        "source": SOURCE.of("raw_corpus.source"),
        "domain": DOMAIN.of("raw_corpus.domain"),
        "method": Column(pl.String, "the selector"),
        "budget": Column(pl.String, "the budget in the task file"),
        "rank": Column(pl.Int64, "rank in the selection, from 1", _RANKED_BY),
        "n_tokens": WORDS.of("raw_corpus.n_tokens"),
        "score": Column(pl.Float64, "the score that the selector ranks by, lowest first", _RANKED_BY),
        "nearest_target_ids": Column(
            pl.List(pl.String),
            "the nearest rows of target train",
            ("target_data.id", "embeddings.vector", "ot_potentials.potential"),
        ),
    },
    checks=(the_budget_is_kept, nothing_evaluated_is_selected, picks_are_the_pools_rows),
)
