"""From a ranking to the selected rows, and the decision about every row of the pool.

Belongs here: joining ranks, budget and texts. Does not: ranks (`selectors.py`), or where the result is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.id_order import in_id_order
from getmore_assets.corpus.identity import hash_lines
from getmore_assets.errors import BadInput
from getmore_assets.selection.budget import resolved, within_budget
from getmore_assets.selection.context import Tables
from getmore_assets.selection.plan_rows import nearest_targets_of


@dataclass(frozen=True)
class Choice:
    """A selection.

    Attributes:
        rows: The selected rows: id, source, domain, n_tokens, score, rank, text, nearest_target_ids, method, budget.
        ranked: The ranked candidates: id, rank, score.
        found: The eligible and the excluded rows.
    """

    rows: pl.DataFrame
    ranked: pl.LazyFrame
    found: candidates.Candidates

    @property
    def hash(self) -> str:
        """A hash of the selected ids in order, which identifies the selection."""
        return hash_lines(self.rows["id"].to_list())

    def ledger(self) -> Iterator[pl.DataFrame]:
        """Yield the decision about every row (selected, not selected, excluded), stage and reason, rank and score."""
        last, out = self.rows.height, pl.col("out")
        behind = pl.format("ranks behind the {} rows of the budget", pl.lit(last))
        decided = self.found.rows.join(self.ranked, on="id", how="left").select(
            "id",
            pl.when(out)
            .then(pl.lit("excluded"))
            .when(pl.col("rank") <= last)
            .then(pl.lit("selected"))
            .otherwise(pl.lit("not selected"))
            .alias("decision"),
            pl.when(out).then("stage").otherwise(pl.lit("selected_subset")).alias("stage"),
            pl.when(out)
            .then("reason")
            .when(pl.col("rank").is_null())
            .then(pl.lit("the other tool did not choose it"))
            .when(pl.col("rank") <= last)
            .then(pl.lit("within the budget"))
            .otherwise(behind)
            .alias("reason"),
            "rank",
            "score",
        )
        return in_id_order(decided, self.found.count)


def take(task: Task, tables: Tables, encoder: str, epsilon: float, ranked: pl.LazyFrame) -> Choice:
    """Return the rows of a ranking that are within the budget.

    Args:
        task: The task; its section `selection` is used.
        tables: The tables to select from.
        encoder: Key of the encoder whose vectors the potentials were solved with.
        epsilon: Regularisation of that solve, absolute.
        ranked: Candidates: rank, id, source, domain, n_tokens, score.

    Raises:
        BadInput: The budget exceeds the candidates, or is smaller than the first row.
    """
    found, selection = tables.candidates(task, encoder), task.selection
    found.require_budget(selection.budget)
    selected = within_budget(ranked, resolved(selection.budget, found.count))
    if not selected.height:
        first = ranked.filter(pl.col("rank") == 1).select("n_tokens").collect().item()
        what = f"is smaller than the first row, which has {first} tokens"
        raise BadInput("selection.budget.tokens", what, "Raise the budget")
    ids = selected["id"].to_list()
    nearest, _ = nearest_targets_of(task, tables, encoder, epsilon, ids)
    rows = selected.with_columns(
        pl.Series("text", pool.texts_of(tables.raw_corpus, task, ids), dtype=pl.String),
        pl.Series("nearest_target_ids", nearest, dtype=pl.List(pl.String)),
        pl.lit(selection.called).alias("method"),
        pl.lit(selection.budget.model_dump_json(exclude_none=True)).alias("budget"),
    )
    return Choice(rows, ranked.select("id", "rank", "score"), found)
