"""Which rows of the pool a target may choose from, and why the others may not be.

Belongs here: eligibility, and the budget against it. Does not: scores.
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from getmore_assets.config import Budget, Task
from getmore_assets.corpus.pool import pool_key, scan_pool
from getmore_assets.corpus.target import ids_of
from getmore_assets.errors import BadInput
from getmore_assets.lake import TableRef

NO_VECTOR = "no vector: the text has no token that the encoder knows"
#: Whose tables say who is a candidate, as `find` takes them.
INPUTS = ("raw_corpus", "target_data", "leakage", "domain_triage")


@dataclass(frozen=True)
class Candidates:
    """Rows that may be chosen, and rows that may not; what is not asked for is not read.

    Attributes:
        rows: Of the pool, with `out`: whether a row may not be chosen, and `stage` and `reason`: what says so.
    """

    rows: pl.LazyFrame

    @property
    def eligible_rows(self) -> pl.LazyFrame:
        """The rows that may be chosen, in no order."""
        return self.rows.filter(~pl.col("out"))

    @cached_property
    def domains(self) -> pl.Series:
        """The domain of each row that may be chosen, in no order."""
        return self.eligible_rows.select("domain").collect()["domain"]

    @cached_property
    def eligible(self) -> pl.DataFrame:
        """The rows that may be chosen, in order of id: id, source, domain, n_tokens.

        Raises:
            RuntimeError: An id stands twice.
        """
        found = self.eligible_rows.select("id", "source", "domain", "n_tokens").sort("id").collect()
        if (found["id"] == found["id"].shift()).any():
            raise RuntimeError("raw_corpus holds an id twice in one pool")
        return found

    @cached_property
    def excluded(self) -> pl.DataFrame:
        """The rows that may not be chosen, in order of id: id, origin, stage, reason."""
        return self.rows.filter("out").select("id", "origin", "stage", "reason").sort("id").collect()

    def require_budget(self, budget: Budget) -> None:
        """Refuse a budget that these candidates cannot fill."""
        ((rows, tokens),) = (
            self.eligible_rows.select(pl.len(), pl.col("n_tokens").sum().cast(pl.Int64)).collect().rows()
        )
        require_budget(budget, rows, tokens)


def kept_domains(triage: TableRef, task: Task) -> pl.DataFrame:
    """The domains that triage kept: one column, `domain`."""
    return triage.of_target(task.name).filter("kept").select("domain").collect()


def leaks_of(leakage: TableRef, task: Task) -> pl.DataFrame:
    """The rows of the pool that leak what a target is evaluated on: id, kind, split, of, overlap."""
    mine = leakage.of_target(task.name)
    return mine.select("id", "kind", "split", "of", "overlap").collect()


def find(
    task: Task,
    raw_corpus: TableRef,
    target: TableRef,
    leakage: TableRef,
    triage: TableRef | None = None,
    *,
    without: pl.DataFrame | None = None,
) -> Candidates:
    """Take out of the pool what the target is evaluated on, what overlaps it, what is held out, and copies.

    Then rows that have no vector (the ids in `without`), and far domains; without `triage`, no domain is too far.
    """
    nothing = pl.DataFrame(schema={"id": pl.String}) if without is None else without
    evaluated, leaks = ids_of(target, task), leaks_of(leakage, task).select("id", "kind", "of", of_split="split")
    near = pl.lit(True) if triage is None else pl.col("domain").is_in(kept_domains(triage, task)["domain"].implode())
    overlaps = pl.format("overlaps the target's {}: {} of {}", "of_split", "kind", "of")
    out = [  # the stage that takes a row out, when, and why
        ("target_data", pl.col("split").is_not_null(), pl.format("is in the target's {}", "split")),
        ("leakage", pl.col("kind").is_not_null(), overlaps),
        ("raw_corpus", pl.col("held_out"), pl.lit("held out as general text")),
        ("raw_corpus", pl.col("duplicate_of").is_not_null(), pl.format("near-duplicate of {}", "duplicate_of")),
        ("embeddings", pl.col("says_nothing").is_not_null(), pl.lit(NO_VECTOR)),
        ("domain_triage", ~near, pl.format("domain is too far: {}", "domain")),
    ]
    return Candidates(
        scan_pool(raw_corpus, pool_key(task))
        .join(evaluated.lazy(), on="id", how="left")
        .join(leaks.lazy(), on="id", how="left")
        .join(nothing.lazy().select("id", says_nothing=pl.lit(True)), on="id", how="left")
        .with_columns(
            out=pl.any_horizontal(when for _, when, _ in out),
            stage=pl.coalesce(pl.when(when).then(pl.lit(stage)) for stage, when, _ in out),
            reason=pl.coalesce(pl.when(when).then(why) for _, when, why in out),
        )
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
