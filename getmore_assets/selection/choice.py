"""From tables to the selected rows, and every candidate's fate.

Belongs here: reading candidates and potentials at their versions, and putting selector, budget and texts together. Does
not: scores (`gradient.py`), ranks (`subset.py`), or where the result is kept.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.lake import TableRef
from getmore_assets.selection import gradient, subset

NEAREST = 3
_BLOCK = 512


@dataclass(frozen=True)
class Tables:
    """What a selection is made from, each at its version."""

    raw_corpus: TableRef
    target_data: TableRef
    domain_triage: TableRef
    embeddings: TableRef
    ot_potentials: TableRef


@dataclass(frozen=True)
class Choice:
    """A selection.

    Attributes:
        rows: The selected: id, source, domain, n_tokens, score, rank, text, nearest_target_ids, method, budget.
        ranked: Every candidate, by rank.
        found: The candidates, and who is none and why.
    """

    rows: pl.DataFrame
    ranked: pl.DataFrame
    found: candidates.Candidates

    @property
    def hash(self) -> str:
        """Names the selection."""
        return subset.selection_hash(self.rows["id"].to_list())

    def ledger(self) -> pl.DataFrame:
        """Every candidate's fate: selected, ranked too low, or excluded, with the reason."""
        taken = pl.col("rank") <= self.rows.height
        scored = self.ranked.select(
            "id",
            pl.when(taken).then(pl.lit("selected")).otherwise(pl.lit("not selected")).alias("decision"),
            pl.lit(None, pl.String).alias("reason"),
            "rank",
            "score",
        )
        excluded = self.found.excluded.select("id", pl.lit("excluded").alias("decision"), "reason")
        return pl.concat([scored, excluded], how="diagonal")


def choose(task: Task, tables: Tables, encoder: str, epsilon: float) -> Choice:
    """Select what the task asks for.

    Args:
        task: Its selection.
        tables: To select from.
        encoder: Fingerprint of the encoder whose vectors the potentials belong to.
        epsilon: At which they were solved for, absolute.

    Raises:
        BadInput: The budget asks for more than there is, or pays for no row.
    """
    found, chosen = candidates.find(tables.raw_corpus, tables.target_data, tables.domain_triage, task), task.selection
    found.require_budget(chosen.budget)
    potentials = tables.ot_potentials.scan().filter(pl.col("target") == task.name)
    if chosen.selector == "got-d":
        ranked = subset.rank_by_score(_scored(potentials, found.eligible))
    else:
        ranked = subset.rank_at_random(found.eligible, chosen.seed)
    taken = subset.take(ranked, chosen.budget)
    if not taken.height:
        what = f"pays for no row: the first has {ranked['n_tokens'][0]} tokens"
        raise BadInput("selection.budget.tokens", what, "Raise the budget")
    texts = pool.scan_pool(tables.raw_corpus, pool.pool_key(task)).select("id", "text")
    texts_taken = texts.join(taken.lazy().select("id"), on="id", how="semi").collect()
    rows = taken.join(texts_taken, on="id", how="inner", maintain_order="left")
    if rows.height != taken.height:
        raise LookupError(f"{taken.height - rows.height} selected ids are not in raw_corpus")
    nearest = _nearest(tables.embeddings, potentials, encoder, epsilon, rows["id"].to_list())
    rows = rows.with_columns(
        pl.Series("nearest_target_ids", nearest, dtype=pl.List(pl.String)),
        pl.lit(chosen.selector).alias("method"),
        pl.lit(chosen.budget.model_dump_json(exclude_none=True)).alias("budget"),
    )
    return Choice(rows, ranked, found)


def _scored(potentials: pl.LazyFrame, eligible: pl.DataFrame) -> pl.DataFrame:
    """Candidates with their score; every one must have a potential."""
    of_pool = potentials.filter(pl.col("side") == "candidate").select("id", "potential").collect()
    joined = eligible.join(of_pool, on="id", how="left", maintain_order="left")
    if joined.height != eligible.height or joined["potential"].null_count():
        raise LookupError(f"{joined['potential'].null_count()} of {eligible.height} candidates have no potential")
    score = gradient.calibrated_gradient(joined["potential"].to_numpy())
    return joined.drop("potential").with_columns(pl.Series("score", score))


def _nearest(
    embeddings: TableRef, potentials: pl.LazyFrame, encoder: str, epsilon: float, ids: list[str]
) -> list[list[str]]:
    """For each row, the target rows to which the plan sends most of it."""
    points = potentials.filter(pl.col("side") == "target").sort("id").select("id", "weight", "potential").collect()
    vectors = store.load(embeddings, encoder, list(dict.fromkeys([*ids, *points["id"]])))
    place = {id_: at for at, id_ in enumerate(dict.fromkeys([*ids, *points["id"]]))}
    y, names = vectors[[place[id_] for id_ in points["id"]]], points["id"].to_numpy()
    g, b = points["potential"].to_numpy(), points["weight"].to_numpy()
    nearest: list[list[str]] = []
    for start in range(0, len(ids), _BLOCK):
        block = gradient.nearest_targets(vectors[start : min(start + _BLOCK, len(ids))], y, g, b, epsilon, NEAREST)
        nearest += names[block].tolist()
    return nearest
