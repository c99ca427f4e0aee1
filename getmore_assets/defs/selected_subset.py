"""`selected_subset`: the rows to warm up on."""

from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.target import evaluated_ids, points_of
from getmore_assets.defs.checks import partition_check
from getmore_assets.defs.line import Job, Line, Made, targets
from getmore_assets.defs.shared_checks import has_its_columns
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import difference
from getmore_assets.selection import gradient, subset

TABLE = "selected_subset"
NEAREST = 3
_BLOCK = 512
_INPUTS = ("raw_corpus", "target_data", "domain_triage", "embeddings", "ot_potentials")


@dg.asset(
    deps=list(_INPUTS),
    partitions_def=targets,
    group_name="selection",
    kinds={"deltalake", "polars"},
    code_version="1",
    description="The selected subset: id, text, score, rank and nearest target rows of the candidates that the "
    "budget pays for. GOT-D takes the most negative calibrated gradients first.",
)
def selected_subset(context: dg.AssetExecutionContext, line: Line) -> dg.MaterializeResult:
    """The selection as a Delta table and a Parquet file."""
    return line.materialise(
        context,
        inputs=_INPUTS,
        settings=lambda t: t.selection,
        make=_select,
    )


def _select(job: Job) -> Made:
    rows = pool.scan_pool(job.table("raw_corpus"), pool.pool_key(job.task))
    found = candidates.find(job.table("raw_corpus"), job.table("target_data"), job.table("domain_triage"), job.task)
    eligible, chosen = found.eligible, job.task.selection
    found.require_budget(chosen.budget)
    if chosen.selector == "got-d":
        ranked = subset.rank_by_score(_scored(job, eligible))
    else:
        ranked = subset.rank_at_random(eligible, chosen.seed)
    taken = subset.take(ranked, chosen.budget)
    if not taken.height:
        what = f"pays for no row: the first has {ranked['n_tokens'][0]} tokens"
        raise BadInput("selection.budget.tokens", what, "Raise the budget")
    texts = rows.select("id", "text").join(taken.lazy().select("id"), on="id", how="semi").collect()
    full = taken.join(texts, on="id", how="inner", maintain_order="left")
    if full.height != taken.height:
        raise LookupError(f"{taken.height - full.height} selected ids are not in raw_corpus")
    full = full.with_columns(
        pl.Series("nearest_target_ids", _nearest(job, full["id"].to_list()), dtype=pl.List(pl.String)),
        pl.lit(chosen.selector).alias("method"),
        pl.lit(chosen.budget.model_dump_json(exclude_none=True)).alias("budget"),
    )
    table = job.lake.replace(TABLE, full, {"target": job.task.name}, job.commit)
    job.lake.replace("row_ledger", _ledger(ranked, taken.height, found.excluded), {"target": job.task.name}, job.commit)
    exported = job.lake.folder("exports", job.task.name) / "selected.parquet"
    full.write_parquet(exported.with_suffix(".partial"))
    exported.with_suffix(".partial").replace(exported)
    figures.composition(eligible, full, job.figure("composition"))
    if chosen.selector == "got-d":
        figures.scores(ranked["score"].to_numpy(), float(full["score"][-1]), job.figure("scores"))
    facts = {**_facts(found, full), **_change(job, full)}
    return Made(full.height, facts, table, {"parquet": str(exported)}, facts["selection_hash"])


def _scored(job: Job, eligible: pl.DataFrame) -> pl.DataFrame:
    """Candidates with their score; every one must have a potential."""
    potentials = (
        job.table("ot_potentials").scan().filter((pl.col("target") == job.task.name) & (pl.col("side") == "candidate"))
    )
    joined = eligible.join(potentials.select("id", "potential").collect(), on="id", how="left", maintain_order="left")
    if joined.height != eligible.height or joined["potential"].null_count():
        raise LookupError(f"{joined['potential'].null_count()} of {eligible.height} candidates have no potential")
    score = gradient.calibrated_gradient(joined["potential"].to_numpy())
    return joined.drop("potential").with_columns(pl.Series("score", score))


def _nearest(job: Job, ids: list[str]) -> list[list[str]]:
    """For each row, the target rows to which the plan sends most of it."""
    encoder, table = job.inputs["embeddings"].facts["encoder"], job.table("embeddings")
    points = points_of(job.table("target_data"), job.task.name)
    potentials = (
        job.table("ot_potentials").scan().filter((pl.col("target") == job.task.name) & (pl.col("side") == "target"))
    )
    g = points.join(potentials.select("id", "potential").collect(), on="id", maintain_order="left")[
        "potential"
    ].to_numpy()
    x, y = store.load(table, encoder, ids), store.load(table, encoder, points["id"].to_list())
    epsilon, names = job.inputs["ot_potentials"].facts["epsilon"], points["id"].to_numpy()
    nearest: list[list[str]] = []
    for start in range(0, len(x), _BLOCK):
        block = gradient.nearest_targets(x[start : start + _BLOCK], y, g, points["weight"].to_numpy(), epsilon, NEAREST)
        nearest += names[block].tolist()
    return nearest


def _ledger(ranked: pl.DataFrame, taken: int, excluded: pl.DataFrame) -> pl.DataFrame:
    """Every candidate's fate: selected, ranked too low, or excluded, with the reason."""
    scored = ranked.select(
        "id",
        pl.when(pl.col("rank") <= taken).then(pl.lit("selected")).otherwise(pl.lit("not selected")).alias("decision"),
        pl.lit(None, pl.String).alias("reason"),
        "rank",
        "score",
    )
    return pl.concat([scored, excluded.select("id", pl.lit("excluded").alias("decision"), "reason")], how="diagonal")


def _change(job: Job, full: pl.DataFrame) -> dict[str, Any]:
    """What this selection has that the last one had not, where there was one; and the same as a figure."""
    if job.last is None:
        return {}
    before = job.last.table_ref().scan().filter(pl.col("target") == job.task.name)
    changed = difference(before.select("id", "rank", "domain").collect(), full.select("id", "rank", "domain"))
    figures.difference(changed, job.figure("difference"))
    return {f"change_{name}": value for name, value in changed.__dict__.items()}


def _facts(found: candidates.Candidates, full: pl.DataFrame) -> dict[str, Any]:
    leaked = found.excluded.filter(pl.col("reason").str.starts_with("is in the target"))
    share = {d: n / full.height for d, n in full["domain"].value_counts(sort=True).rows()}
    return {
        "selection_hash": subset.selection_hash(full["id"].to_list()),
        "candidates": found.eligible.height,
        "excluded": found.excluded.height,
        "left_pool": leaked.select("id", "origin", "reason").to_dicts(),
        "left_pool_rows": leaked.height,
        "n_tokens": int(full["n_tokens"].sum()),
        "domains": {d: float(np.round(s, 4)) for d, s in share.items()},
    }


@partition_check(
    selected_subset,
    blocking=True,
    description="The selection keeps its budget, holds every id once and is ranked without gaps.",
)
def the_budget_is_kept(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Counts rows and tokens."""
    task, record = line.record(context, "selected_subset")
    rows = record.table_ref().scan().filter(pl.col("target") == task.name).sort("rank").collect()
    paid = subset.take(rows, task.selection.budget) if task.selection.budget.fraction is None else rows
    allowed = record.facts["candidates"] * (task.selection.budget.fraction or 1.0) + 1
    passed = (
        0 < rows.height <= allowed
        and paid.height == rows.height
        and rows["id"].n_unique() == rows.height
        and rows["rank"].to_list() == list(range(1, rows.height + 1))
    )
    metadata = {"rows": rows.height, "within_budget": paid.height, "tokens": int(rows["n_tokens"].sum())}
    return dg.AssetCheckResult(passed=passed, metadata=metadata)


@partition_check(
    selected_subset,
    additional_deps=("target_data",),
    blocking=True,
    description="Nothing that the target is validated or tested on is selected.",
)
def nothing_evaluated_is_selected(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Looks for validation, test and general text among the picks."""
    task, record = line.record(context, "selected_subset")
    _, target = line.record(context, "target_data")
    ids = record.table_ref().scan().filter(pl.col("target") == task.name).select("id").collect()
    found = ids.join(evaluated_ids(target.table_ref(), task), on="id").sort("id")
    return dg.AssetCheckResult(
        passed=not found.height, metadata={"found": found.height, "first": found["id"].head(20).to_list()}
    )


@partition_check(
    selected_subset,
    additional_deps=("raw_corpus",),
    blocking=True,
    description="Every pick is a row of the pool, with its text, and neither a near-duplicate nor held out.",
)
def picks_are_the_pools_rows(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
    """Looks every pick up in the pool that it was picked from."""
    task, record = line.record(context, "selected_subset")
    picks = record.table_ref().scan().filter(pl.col("target") == task.name).select("id", "text").collect()
    rows = pool.scan_pool(record.input_table("raw_corpus"), pool.pool_key(task))
    rows = rows.select("id", pl.col("text").alias("pool_text"), "duplicate_of", "held_out")
    met = picks.join(rows.join(picks.lazy(), on="id", how="semi").collect(), on="id", how="left").sort("id")
    absent = pl.col("pool_text").is_null()
    wrong = {
        "not_in_the_pool": met.filter(absent),
        "other_text": met.filter(~absent & pl.col("text").ne_missing(pl.col("pool_text"))),
        "not_to_be_picked": met.filter(pl.col("held_out") | pl.col("duplicate_of").is_not_null()),
    }
    return dg.AssetCheckResult(
        passed=picks.height > 0 and not any(some.height for some in wrong.values()),
        metadata={
            **{what: some.height for what, some in wrong.items()},
            "first": pl.concat(some["id"] for some in wrong.values()).head(20).to_list(),
        },
    )


selected_subset_has_its_columns = has_its_columns(
    selected_subset,
    {
        **dict.fromkeys(("target", "id", "text", "source", "domain", "method", "budget"), pl.String),
        "rank": pl.Int64,
        "n_tokens": pl.Int32,
        "score": pl.Float64,
        "nearest_target_ids": pl.List(pl.String),
    },
)
