"""The facts in a materialization record: typed results of a stage besides rows and tables, one model per stage.

Belongs here: the fields of these facts; fields that earlier versions did not write have a default. Does not: the record
(`records.py`), the facts of models and scorecard (`training_facts.py`), those of the two stages that read sources
(`corpus/pool.py`, `corpus/target.py`), or facts of a single selector.
"""

from typing import TYPE_CHECKING, Self

import polars as pl
from pydantic import ConfigDict, Field, ValidationError

from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.json_models import Given
from getmore_assets.lake import TableRef

if TYPE_CHECKING:
    from getmore_assets.records import Record


class Facts(Given):
    """The facts of one stage. Fields that a later version added are ignored."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def of(cls, record: "Record") -> Self:
        """Return the facts of a record.

        Raises:
            BadInput: A fact is missing or has a wrong type: the record is damaged.
        """
        try:
            return cls.model_validate(record.facts)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"its record is damaged: fact `{'.'.join(map(str, first['loc']))}`: {first['msg']}"
            raise BadInput(f"{record.stage} of {record.task}", what, REPAIR) from None


class LeakageFacts(Facts):
    """The number of examined rows of the pool, and of rows that overlap the evaluation splits, by kind."""

    looked_at: int
    exact: int
    near: int
    contained: int
    piece: int = 0
    first: list[dict[str, str | float | None]] = Field(default_factory=list)


class MeasuredDomain(Facts):
    """A row of the table `domain_triage` (`stages/domain_triage.py`)."""

    nearness: int
    rows: int
    domain: str
    sampled: int = 0
    distance: float
    error: float = 0.0
    kept: bool


class Encoding(Facts):
    """The vectors that a stage added to the table, and the vectors that the table had already.

    Attributes:
        version: Version of the table.
        encoder: The key of the vectors.
        encoded: Number of rows whose vectors were added.
        reused: Number of rows whose vectors were in the table already.
    """

    version: int = 0
    encoder: str = ""
    encoded: int = 0
    reused: int = 0


class EncodedFacts(Encoding):
    """A stage that encodes; `encode_seconds` adds up the stage's materializations with this encoder."""

    encode_seconds: float = 0.0


class TriageFacts(EncodedFacts):
    """The domains, nearest first, and the seconds to measure them; `version` is that of the table `domain_triage`."""

    domains: list[MeasuredDomain] = Field(default_factory=list)
    solve_seconds: float = 0.0


class EmbeddingFacts(EncodedFacts):
    """The encoding of candidates and target.

    Attributes:
        without_vector: Number of rows of which the encoder knows no token.
        refitted: Why the encoder was fitted again; None or empty if it was not.
    """

    without_vector: int = 0
    refitted: str | None = None


class EarlierSolve(Facts):
    """An earlier solve of the same target, to start from or to keep.

    Attributes:
        table: The table of the potentials.
        epsilon: Absolute ε.
        relaxation: Absolute relaxation of the target marginal; None for none.
        same_recipe: Whether settings and code version are those of today.
    """

    table: TableRef
    epsilon: float
    relaxation: float | None
    same_recipe: bool


class Overlap(Facts):
    """The Jaccard similarity of two selections: the `share` of lowest scores at ε, and at `factor` times ε."""

    factor: float
    share: float
    jaccard: float | None


class Moved(Facts):
    """The effect of ε on the selection, measured on a sample: see `transport.exact.moved_by_epsilon`."""

    candidates: int
    targets: int
    exact_cost: float
    entropic_cost: float
    jaccard: list[dict[str, float | None]]


class SolveFacts(Facts):
    """A solve, or a kept earlier solve (`decision`). Fields that only a new solve measures are None or empty otherwise.

    Attributes:
        version: Version of the table of potentials.
        decision: Rescored, solved, or solved from the last potentials.
        drift: Drift of the target since the earlier solve, rows and distance; empty without an earlier solve.
        candidates: Number of candidates.
        marginal_error: L1 error of the target marginal.
        came: Number of candidates that were added and scored, if the earlier solve is kept.
        went: Number of candidates that were removed, if the earlier solve is kept.
        targets: Number of target rows.
        epsilon: Absolute ε; `epsilon_relative` is divided by the mean cost.
        relaxation: Absolute relaxation of the target marginal; None for none.
        history: (candidates, ε, error) of each pass.
        overlap: Overlap of the selection with the selections at half and twice ε.
        moved: The effect of ε on the selection; None if it cannot be measured.
    """

    version: int = 0
    decision: str = ""
    drift: dict[str, float] = Field(default_factory=dict)
    candidates: int
    marginal_error: float
    came: int | None = None
    went: int | None = None
    targets: int | None = None
    epsilon: float | None = None
    epsilon_relative: float | None = None
    relaxation: float | None = None
    mean_cost: float | None = None
    transport_cost: float | None = None
    gap_estimate: float | None = None
    full_passes: int | None = None
    passes: float | None = None
    history: list[tuple[int, float, float]] = Field(default_factory=list)
    overlap: list[Overlap] = Field(default_factory=list)
    moved: Moved | None = None
    seconds: float | None = None
    planned_seconds: float | None = None
    planned_memory_mb: float | None = None


class PotentialsFacts(SolveFacts):
    """The solve of the present potentials, with its inputs.

    Attributes:
        targets: Number of target rows.
        epsilon: Absolute ε.
        encoder: The key of the vectors.
        earlier: The earlier solve that this one started from.
        solver: semi-dual, published or exact.
    """

    targets: int
    epsilon: float
    encoder: str
    earlier: EarlierSolve | None = None
    solver: str = ""


class RankingFacts(Facts):
    """The facts of a ranking. A selector may add fields of its own.

    Attributes:
        rank_seconds: Seconds of ranking.
        winner: The winner of a race.
        lambda_: λ: the weight of the selection in the mixture whose distance to the target is measured.
        picks_by_round: Number of picks in each round, for a selector that picks in rounds.
    """

    model_config = ConfigDict(extra="allow")

    rank_seconds: float = 0.0
    winner: str | None = None
    lambda_: float = Field(1.0, alias="lambda")
    picks_by_round: list[int] | None = None


class SelectionFacts(RankingFacts):
    """A selection.

    Attributes:
        selection_hash: Hash of the selected ids and their order.
        encoder: The key of the vectors.
        epsilon: Absolute ε of the potentials.
        ledger: The table with the decision about every row.
        candidates: Number of eligible candidates.
        excluded: Number of rows that are not eligible.
        left_pool: The first excluded rows that overlap the target: id, origin, reason.
        left_pool_rows: Number of excluded rows that overlap the target.
        also_in_train: Number of selected rows that are also rows of target train.
        n_tokens: Number of words and punctuation marks in the selected rows.
        domains: Share of each domain in the selection.
    """

    selection_hash: str
    encoder: str
    epsilon: float
    ledger: TableRef
    candidates: int
    excluded: int
    left_pool: list[dict[str, str | None]] = Field(default_factory=list)
    left_pool_rows: int = 0
    also_in_train: int = 0
    n_tokens: int
    domains: dict[str, float] = Field(default_factory=dict)

    def fates(self, task: str) -> pl.LazyFrame:
        """Scan the ledger of a task: id, decision, stage, reason, rank, score."""
        ledger = self.ledger.of_target(task)
        columns = ledger.collect_schema()
        if "station" not in columns:
            return ledger
        # Before version 0.2 the column `stage` was called `station`. A table of both versions has both columns.
        names = [pl.col(name) for name in ("stage", "station") if name in columns]
        return ledger.with_columns(stage=pl.coalesce(names)).drop("station")
