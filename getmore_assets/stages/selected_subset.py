"""`selected_subset`: the rows to warm up on."""

from typing import Any

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.corpus.target import guard_of, ids_of
from getmore_assets.facts import EmbeddingFacts, PotentialsFacts, SelectionFacts
from getmore_assets.json_models import JsonObject
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import difference
from getmore_assets.selection.budget import resolved, within_budget
from getmore_assets.selection.choice import Choice, take
from getmore_assets.selection.context import Tables
from getmore_assets.selection.counterfactuals import cuts_scores, decider
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.columns import DOMAIN, ID, SOURCE, TARGET, TEXT, TEXTS, WORDS, Column
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.rankings import CODE_VERSION, RankingRequest, imported_version, rankings
from getmore_assets.stages.stage import Stage

TABLE, LEDGER = "selected_subset", "row_ledger"
_TABLES = tuple(Tables.__dataclass_fields__)
#: GOT-D ranks by potentials; other selectors read the vectors, or the texts.
_RANKED_BY = ("ot_potentials.potential", "embeddings.vector", *TEXTS)


def _settings(task: Task) -> Any:
    chosen = task.selection
    trains = [task.warmup, task.base_model.objective] if chosen.asks_a_model else None
    return [CODE_VERSION, chosen, trains, imported_version(chosen, task)]


def _select(job: Job) -> StageResult:
    chosen = job.task.selection.only_selector()
    budget = job.task.selection.budget
    (made,) = rankings(job, [RankingRequest(selector=chosen, budget=budget, path=job.work / "ranked")])
    encoder = EmbeddingFacts.of(job.inputs["embeddings"]).encoder
    epsilon = PotentialsFacts.of(job.inputs["ot_potentials"]).epsilon
    tables = Tables(**{name: job.table(name) for name in _TABLES})
    choice = take(job.task, tables, encoder, epsilon, made.rows())
    key = {"target": job.task.name}
    table = job.lake.replace(TABLE, choice.rows, key, job.commit)
    ledger = job.lake.replace(LEDGER, choice.ledger(), key, job.commit)
    exported = job.lake.folder("exports", job.task.name) / "selected.parquet"
    choice.rows.write_parquet(exported.with_suffix(".partial"))
    exported.with_suffix(".partial").replace(exported)
    figures.composition(choice.found.domains.to_frame(), choice.rows, job.figure("composition"))
    if cuts_scores(decider(job.task.selection, made.facts())):
        figures.scores(choice.ranked["score"].to_numpy(), float(choice.rows["score"][-1]), job.figure("scores"))
    ranking = {**made.facts().given(), **_change(job, choice.rows)}
    train = ids_of(tables.target_data, job.task, ["train"])
    facts = SelectionFacts(
        encoder=encoder,
        epsilon=epsilon,
        ledger=ledger,
        also_in_train=choice.rows.join(train, on="id", how="semi").height,
        **_counts(choice),
        **ranking,
    )
    return StageResult(choice.rows.height, facts.given(), table, {"parquet": str(exported)}, choice.hash)


def _change(job: Job, full: pl.DataFrame) -> JsonObject:
    """What this selection has that the last one had not, where there was one; and the same as a figure."""
    if job.last is None:
        return {}
    before = job.last.table_ref().of_target(job.task.name)
    changed = difference(before.select("id", "rank", "domain").collect(), full.select("id", "rank", "domain"))
    figures.difference(changed, job.figure("difference"))
    return {f"change_{name}": value for name, value in changed.__dict__.items()}


def _counts(choice: Choice) -> JsonObject:
    rows, excluded = choice.rows, choice.found.excluded
    leaked = excluded.filter(pl.col("stage").is_in(["target_data", "leakage"]))
    share = {d: n / rows.height for d, n in rows["domain"].value_counts(sort=True).rows()}
    return {
        "selection_hash": choice.hash,
        "candidates": len(choice.found.domains),
        "excluded": excluded.height,
        "left_pool": leaked.select("id", "origin", "reason").to_dicts(),
        "left_pool_rows": leaked.height,
        "n_tokens": int(rows["n_tokens"].sum()),
        "domains": {d: float(np.round(s, 4)) for d, s in share.items()},
    }


@check(blocking=True)
def the_budget_is_kept(of: Checked) -> Finding:
    """The selection keeps its budget, holds every id once and is ranked without gaps."""
    task, record = of.task, of.record
    rows = of.rows.sort("rank").collect()
    paid = within_budget(rows, resolved(task.selection.budget, SelectionFacts.of(record).candidates))
    passed = (
        0 < rows.height == paid.height
        and rows["id"].n_unique() == rows.height
        and rows["rank"].to_list() == list(range(1, rows.height + 1))
    )
    metadata = {"rows": rows.height, "within_budget": paid.height, "tokens": int(rows["n_tokens"].sum())}
    return Finding(passed=passed, metadata=metadata)


@check(reads=("target_data",), blocking=True)
def nothing_evaluated_is_selected(of: Checked) -> Finding:
    """Nothing that the target is validated or tested on is selected, and nothing that overlaps it."""
    target_data, picks = of.of("target_data").table_ref(), of.rows.select("id", "text").collect()
    found = picks.join(ids_of(target_data, of.task), on="id").sort("id")
    metadata: JsonObject = {"found": found.height, "first": found["id"].head(20).to_list()}
    if of.task.leakage == "allow":
        return Finding(passed=not found.height, metadata={**metadata, "note": "overlaps are allowed"})
    guard = guard_of(target_data.of_target(of.task.name).select("split", "id", "text").collect())
    leaks = guard.leaks(picks)
    metadata |= {"overlapping": leaks.height, "first_overlapping": leaks["id"].head(20).to_list()}
    return Finding(passed=not found.height and not leaks.height, metadata=metadata)


@check(reads=("raw_corpus",), blocking=True)
def picks_are_the_pools_rows(of: Checked) -> Finding:
    """Every pick is a row of the pool, with its text, and neither a near-duplicate nor held out."""
    picks = of.rows.select("id", "text").collect()
    rows = pool.scan_pool(of.record.input_table("raw_corpus"), pool.pool_key(of.task))
    rows = rows.filter(pl.col("id").is_in(picks["id"].implode()))  # a join would hold every text in memory
    rows = rows.select("id", pl.col("text").alias("pool_text"), "duplicate_of", "held_out")
    met = picks.join(rows.collect(), on="id", how="left").sort("id")
    absent = pl.col("pool_text").is_null()
    wrong = {
        "not_in_the_pool": met.filter(absent),
        "other_text": met.filter(~absent & pl.col("text").ne_missing(pl.col("pool_text"))),
        "not_to_be_picked": met.filter(pl.col("held_out") | pl.col("duplicate_of").is_not_null()),
    }
    return Finding(
        passed=picks.height > 0 and not any(some.height for some in wrong.values()),
        metadata={
            **{what: some.height for what, some in wrong.items()},
            "first": pl.concat(some["id"] for some in wrong.values()).head(20).to_list(),
        },
    )


STAGE = Stage(
    name="selected_subset",
    description="The selected subset: id, text, score, rank and nearest target rows of the candidates within "
    "the budget. GOT-D takes the most negative calibrated gradients first.",
    group="selection",
    kinds=frozenset({"deltalake", "polars"}),
    code_version="4",
    settings=_settings,
    make=_select,
    reads=(*_TABLES, "base_model"),
    reads_if={"base_model": lambda task: task.selection.asks_a_model},
    on_gpu=True,
    columns={
        "target": TARGET,
        "id": ID.of("raw_corpus.id"),
        "text": TEXT.of("raw_corpus.text"),
        "source": SOURCE.of("raw_corpus.source"),
        "domain": DOMAIN.of("raw_corpus.domain"),
        "method": Column(pl.String, "the selector that chose it"),
        "budget": Column(pl.String, "the budget, as it was asked for"),
        "rank": Column(pl.Int64, "place in the selection, from 1", _RANKED_BY),
        "n_tokens": WORDS.of("raw_corpus.n_tokens"),
        "score": Column(pl.Float64, "what it was ranked by: the smallest first", _RANKED_BY),
        "nearest_target_ids": Column(
            pl.List(pl.String),
            "the rows of target train that are nearest to it",
            ("target_data.id", "embeddings.vector", "ot_potentials.potential"),
        ),
    },
    checks=(the_budget_is_kept, nothing_evaluated_is_selected, picks_are_the_pools_rows),
)
