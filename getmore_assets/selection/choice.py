"""From a ranking to the selected rows, and every candidate's fate.

Belongs here: putting ranks, budget and texts together. Does not: ranks (`selectors.py`), or where the result is kept.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.selection import gradient, subset
from getmore_assets.selection.ground import Tables

NEAREST = 3
_BLOCK = 512


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
        """Every row's fate: selected, not selected, or excluded; by which station, and why; rank and score."""
        scored = self.found.eligible.select("id").join(self.ranked.select("id", "rank", "score"), on="id", how="left")
        last = self.rows.height
        judged = scored.select(
            "id",
            pl.when(pl.col("rank") <= last)
            .then(pl.lit("selected"))
            .otherwise(pl.lit("not selected"))
            .alias("decision"),
            pl.lit("selected_subset").alias("station"),
            pl.when(pl.col("rank").is_null())
            .then(pl.lit("the other tool did not choose it"))
            .when(pl.col("rank") <= last)
            .then(pl.lit("the budget pays for it"))
            .otherwise(pl.format("ranks behind the {} rows that the budget pays for", pl.lit(last)))
            .alias("reason"),
            "rank",
            "score",
        )
        excluded = self.found.excluded.select("id", pl.lit("excluded").alias("decision"), "station", "reason")
        return pl.concat([judged, excluded], how="diagonal")


def take(task: Task, tables: Tables, encoder: str, epsilon: float, ranked: pl.DataFrame) -> Choice:
    """The rows that the budget pays for, of a ranking.

    Args:
        task: Its selection.
        tables: To select from.
        encoder: Fingerprint of the encoder whose vectors the potentials belong to.
        epsilon: At which they were solved for, absolute.
        ranked: Candidates with rank and score.

    Raises:
        BadInput: The budget asks for more than there is, or pays for no row.
    """
    found, chosen = tables.candidates(task), task.selection
    found.require_budget(chosen.budget)
    taken = subset.take(ranked, subset.resolved(chosen.budget, found.eligible.height))
    if not taken.height:
        what = f"pays for no row: the first has {ranked['n_tokens'][0]} tokens"
        raise BadInput("selection.budget.tokens", what, "Raise the budget")
    ids = taken["id"].to_list()
    rows = taken.with_columns(
        pl.Series("text", pool.texts_of(tables.raw_corpus, task, ids), dtype=pl.String),
        pl.Series("nearest_target_ids", _nearest(task, tables, encoder, epsilon, ids), dtype=pl.List(pl.String)),
        pl.lit(chosen.called).alias("method"),
        pl.lit(chosen.budget.model_dump_json(exclude_none=True)).alias("budget"),
    )
    return Choice(rows, ranked, found)


def _nearest(task: Task, tables: Tables, encoder: str, epsilon: float, ids: list[str]) -> list[list[str]]:
    """For each row, the target rows to which the plan sends most of it."""
    mine = (pl.col("target") == task.name) & (pl.col("side") == "target")
    points = tables.ot_potentials.scan().filter(mine).sort("id").select("id", "weight", "potential").collect()
    names = list(dict.fromkeys([*ids, *points["id"]]))
    vectors, place = store.load(tables.embeddings, encoder, names), {id_: at for at, id_ in enumerate(names)}
    x, y = (vectors[[place[id_] for id_ in some]] for some in (ids, points["id"]))
    g, b, known = points["potential"].to_numpy(), points["weight"].to_numpy(), points["id"].to_numpy()
    nearest: list[list[str]] = []
    for start in range(0, len(ids), _BLOCK):
        block = gradient.nearest_targets(x[start : start + _BLOCK], y, g, b, epsilon, NEAREST)
        nearest += known[block].tolist()
    return nearest
