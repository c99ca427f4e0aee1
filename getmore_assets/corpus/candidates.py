"""The eligible candidates of a target, and why other rows of the pool are excluded.

Belongs here: eligibility, and whether the candidates fill the budget. Does not: scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from getmore_assets.config import Budget, Task
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.corpus.id_order import in_id_order
from getmore_assets.corpus.pool import pool_key, scan_pool
from getmore_assets.corpus.target import ids_of
from getmore_assets.corpus.tokens import COUNT
from getmore_assets.errors import BadInput
from getmore_assets.lake import TableRef

NO_VECTOR = "no vector: the text has no token that the encoder knows"
#: The stages whose tables decide eligibility, in the order of `find`'s arguments.
INPUTS = ("raw_corpus", "target_data", "leakage", "domain_triage")


@dataclass(frozen=True)
class Candidates:
    """The eligible and the excluded rows of a pool, read lazily.

    Attributes:
        rows: The pool, with `out` (whether a row is excluded), and `stage` and `reason` of the exclusion.
    """

    rows: pl.LazyFrame

    @property
    def eligible_rows(self) -> pl.LazyFrame:
        """The eligible rows, in no order."""
        return self.rows.filter(~pl.col("out"))

    @cached_property
    def domains(self) -> pl.DataFrame:
        """The number of eligible rows of each domain: domain, rows."""
        return self.eligible_rows.group_by("domain").agg(rows=pl.len().cast(pl.Int64)).collect()

    @cached_property
    def count(self) -> int:
        """Number of eligible rows."""
        return int(self.domains["rows"].sum())

    def pieces(self, *columns: str) -> Iterator[pl.DataFrame]:
        """Yield the eligible rows in order of id, about half a million at once: id and some other columns of the pool.

        Raises:
            RuntimeError: An id is in the pool twice.
        """
        for piece in in_id_order(self.eligible_rows.select("id", *columns), self.count):
            if (piece["id"] == piece["id"].shift()).any():
                raise RuntimeError("raw_corpus has an id twice in one pool")
            yield piece

    @property
    def ids(self) -> pl.Series:
        """The ids of the eligible rows, in order."""
        return pl.concat(self.pieces())["id"]

    def index(self, folder: Path) -> IdIndex:
        """Return the position of each eligible id, in order of id; `folder` as in `IdIndex`."""
        index = IdIndex(folder)
        for piece in self.pieces():
            index.add(piece["id"])
        return index

    def id_at(self, position: int) -> str:
        """Return the eligible id at a position, in order of id."""
        return str(self.ids[position])

    @cached_property
    def eligible(self) -> pl.DataFrame:
        """The eligible rows, in order of id: id, source, domain, n_tokens.

        Raises:
            RuntimeError: An id is in the pool twice.
        """
        return pl.concat(self.pieces("source", "domain", "n_tokens"))

    @property
    def excluded_rows(self) -> pl.LazyFrame:
        """The excluded rows, in no order: id, origin, stage, reason."""
        return self.rows.filter("out").select("id", "origin", "stage", "reason")

    def require_budget(self, budget: Budget) -> None:
        """Require that the eligible rows fill a budget."""
        counts = self.eligible_rows.select(pl.len(), COUNT.sum()).collect()
        require_budget(budget, *counts.row(0))


def kept_domains(triage: TableRef, task: Task) -> pl.DataFrame:
    """Return the domains that triage kept: one column, `domain`."""
    return triage.of_target(task.name).filter("kept").select("domain").collect()


def leaks_of(leakage: TableRef, task: Task) -> pl.DataFrame:
    """Return the rows of the pool that overlap evaluated rows: id, kind, split, of, overlap."""
    return leakage.of_target(task.name).select("id", "kind", "split", "of", "overlap").collect()


def find(
    task: Task,
    raw_corpus: TableRef,
    target: TableRef,
    leakage: TableRef,
    triage: TableRef | None = None,
    *,
    without: pl.DataFrame | None = None,
) -> Candidates:
    """Return the candidates of a task.

    Excludes evaluated rows and rows that overlap them, held-out rows, near-duplicates, rows without a vector, and rows
    of domains that triage did not keep.

    Args:
        task: The task.
        raw_corpus: The table of the pool.
        target: The table of the target.
        leakage: The table of overlaps.
        triage: The table of domains; None excludes no domain.
        without: The ids without a vector; None if all have one.
    """
    no_vector = pl.DataFrame(schema={"id": pl.String}) if without is None else without
    evaluated, leaks = ids_of(target, task), leaks_of(leakage, task).select("id", "kind", "of", of_split="split")
    near = pl.lit(True) if triage is None else pl.col("domain").is_in(kept_domains(triage, task)["domain"].implode())
    overlaps = pl.format("overlaps the target's {}: {} of {}", "of_split", "kind", "of")
    out = [  # stage, condition and reason of each exclusion
        ("target_data", pl.col("split").is_not_null(), pl.format("is in the target's {}", "split")),
        ("leakage", pl.col("kind").is_not_null(), overlaps),
        ("raw_corpus", pl.col("held_out"), pl.lit("held out as general text")),
        ("raw_corpus", pl.col("duplicate_of").is_not_null(), pl.format("near-duplicate of {}", "duplicate_of")),
        ("embeddings", pl.col("no_vector").is_not_null(), pl.lit(NO_VECTOR)),
        ("domain_triage", ~near, pl.format("domain is too far: {}", "domain")),
    ]
    return Candidates(
        scan_pool(raw_corpus, pool_key(task))
        .join(evaluated.lazy(), on="id", how="left")
        .join(leaks.lazy(), on="id", how="left")
        .join(no_vector.lazy().select("id", no_vector=pl.lit(True)), on="id", how="left")
        .with_columns(
            out=pl.any_horizontal(when for _, when, _ in out),
            stage=pl.coalesce(pl.when(when).then(pl.lit(stage)) for stage, when, _ in out),
            reason=pl.coalesce(pl.when(when).then(why) for _, when, why in out),
        )
    )


def require_budget(budget: Budget, rows: int, tokens: int) -> None:
    """Require that the candidates fill a budget.

    Args:
        budget: The budget of the selection.
        rows: Number of eligible rows.
        tokens: Number of their words and punctuation marks.

    Raises:
        BadInput: The budget is larger, or there is no eligible row.
    """
    for size, available, unit in ((budget.rows, rows, "rows"), (budget.tokens, tokens, "tokens")):
        if size is not None and size > available:
            what = f"asks for {size} {unit}, but {available} are eligible"
            raise BadInput(f"selection.budget.{unit}", what, "Lower the budget or add candidates")
    if not rows:
        raise BadInput("candidates", "no row of the pool is eligible", "Add candidates, or lower corpus.held_out")
