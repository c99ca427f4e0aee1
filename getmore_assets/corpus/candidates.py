"""Which rows of the pool a target may choose from, and why the others may not be.

Belongs here: eligibility, and the budget against it. Does not: scores.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Budget, Task
from getmore_assets.corpus.pool import pool_key, scan_pool
from getmore_assets.corpus.target import evaluated_ids
from getmore_assets.errors import BadInput
from getmore_assets.lake import TableRef


@dataclass(frozen=True)
class Candidates:
    """Rows that may be chosen (id, source, domain, n_tokens, in order of id), and rows that may not, with reasons."""

    eligible: pl.DataFrame
    excluded: pl.DataFrame

    def require_budget(self, budget: Budget) -> None:
        """Refuse a budget that these candidates cannot fill."""
        require_budget(budget, self.eligible.height, int(self.eligible["n_tokens"].sum()))


def kept_domains(triage: TableRef, task: Task) -> pl.DataFrame:
    """The domains that triage kept: one column, `domain`."""
    return triage.scan().filter((pl.col("target") == task.name) & pl.col("kept")).select("domain").collect()


def find(raw_corpus: TableRef, target: TableRef, triage: TableRef | None, task: Task) -> Candidates:
    """Take out of the pool what the target is evaluated on, what is held out, near-duplicates, and far domains.

    In this order. Without `triage`, no domain is too far.
    """
    evaluated = evaluated_ids(target, task)
    rows = (
        scan_pool(raw_corpus, pool_key(task))
        .select("id", "source", "domain", "n_tokens", "duplicate_of", "held_out", "origin")
        .sort("id")
        .collect()
        .join(evaluated, on="id", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("split").is_not_null())
            .then(pl.lit("is in the target's ") + pl.col("split"))
            .when("held_out")
            .then(pl.lit("held out as general text"))
            .when(pl.col("duplicate_of").is_not_null())
            .then(pl.lit("near-duplicate of ") + pl.col("duplicate_of"))
            .alias("reason")
        )
    )
    if triage is not None:
        far = pl.col("reason").is_null() & ~pl.col("domain").is_in(kept_domains(triage, task)["domain"].implode())
        why = pl.lit("domain is too far: ") + pl.col("domain")
        rows = rows.with_columns(pl.when(far).then(why).otherwise("reason").alias("reason"))
    if rows["id"].is_duplicated().any():
        raise RuntimeError("raw_corpus holds an id twice in one pool")
    return Candidates(
        rows.filter(pl.col("reason").is_null()).select("id", "source", "domain", "n_tokens"),
        rows.filter(pl.col("reason").is_not_null()).select("id", "origin", "reason"),
    )


def require_budget(budget: Budget, rows: int, tokens: int) -> None:
    """Refuse a budget that the candidates cannot fill.

    Args:
        budget: Of the selection.
        rows: That may be chosen.
        tokens: In them, words and punctuation marks.

    Raises:
        BadInput: It asks for more.
    """
    for asked, there, unit in ((budget.rows, rows, "rows"), (budget.tokens, tokens, "tokens")):
        if asked is not None and asked > there:
            what = f"asks for {asked} {unit}, but {there} may be chosen"
            raise BadInput(f"selection.budget.{unit}", what, "Lower the budget or add candidates")
    if not rows:
        raise BadInput("candidates", "no row of the pool may be chosen", "Add candidates, or lower corpus.held_out")
