"""What the records of the stages say beside rows and tables: one model a stage.

Belongs here: the shape of these facts, as stages write them and everything else reads them; fields that records of
earlier versions lack have a default. Does not: the record itself (`records.py`), the facts of models and scorecard
(`training_facts.py`), those of the two stages that read sources (`corpus/pool.py`, `corpus/target.py`), or what a
selector alone knows of its ranking.
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
    """The facts of one stage; what a later version added is passed over."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def of(cls, record: "Record") -> Self:
        """Return the facts of a record.

        Raises:
            BadInput: The record lacks a fact, or holds one of another type: it is damaged.
        """
        try:
            return cls.model_validate(record.facts)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"its record is damaged: fact `{'.'.join(map(str, first['loc']))}`: {first['msg']}"
            raise BadInput(f"{record.stage} of {record.task}", what, REPAIR) from None


class LeakageFacts(Facts):
    """How many rows of the pool were looked at, and how many overlap what is evaluated on, by kind."""

    looked_at: int
    exact: int
    near: int
    contained: int
    piece: int = 0
    first: list[dict[str, str | float | None]] = Field(default_factory=list)


class MeasuredDomain(Facts):
    """A domain, as the table of triage has it (`stages/domain_triage.py`)."""

    nearness: int
    rows: int
    domain: str
    sampled: int = 0
    distance: float
    error: float = 0.0
    kept: bool


class Encoding(Facts):
    """Vectors that were added to their table and that were there; `encoder` is their key.

    Attributes:
        version: Of the table.
        encoder: The key of the vectors.
        encoded: Rows whose vectors were added.
        reused: Rows whose vectors were there.
    """

    version: int = 0
    encoder: str = ""
    encoded: int = 0
    reused: int = 0


class EncodedFacts(Encoding):
    """Of a stage that encodes; `encode_seconds` are those of all its materializations with this encoder."""

    encode_seconds: float = 0.0


class TriageFacts(EncodedFacts):
    """The domains, nearest first, and what measuring them took; `version` is that of the table of triage."""

    domains: list[MeasuredDomain] = Field(default_factory=list)
    solve_seconds: float = 0.0


class EmbeddingFacts(EncodedFacts):
    """What was encoded.

    Attributes:
        without_vector: Rows whose texts say nothing to the encoder.
        refitted: Why the encoder was fitted again, where it was.
    """

    without_vector: int = 0
    refitted: str | None = None


class EarlierSolve(Facts):
    """An earlier solve of the same target, to go on from or to let stand.

    Attributes:
        table: Its potentials.
        epsilon: Absolute.
        relaxation: Of the target marginal, absolute; None for none.
        same_recipe: Whether it was made with today's settings and code.
    """

    table: TableRef
    epsilon: float
    relaxation: float | None
    same_recipe: bool


class Overlap(Facts):
    """The Jaccard similarity of the `share` of lowest scores with that at `factor` times ε; None where not measured."""

    factor: float
    share: float
    jaccard: float | None


class Moved(Facts):
    """How far ε moves what is chosen, on a sample: see `transport.exact.moved_by_epsilon`."""

    candidates: int
    targets: int
    exact_cost: float
    entropic_cost: float
    jaccard: list[dict[str, float | None]]


class SolveFacts(Facts):
    """A solve, or how an earlier one stands (`decision`); the evidence is of a solve alone.

    Attributes:
        version: Of the table of potentials.
        decision: Rescored, solved, or solved from the last potentials.
        drift: Of the target since the earlier solve: rows and distance; empty without one.
        candidates: Rows of the pool's side.
        marginal_error: L1 error of the target marginal.
        came: Candidates that were scored, where the earlier solve stands.
        went: Candidates that left, likewise.
        targets: Rows of the target's side.
        epsilon: Absolute; `epsilon_relative` is over the mean cost.
        relaxation: Of the target marginal, absolute; None for none.
        history: (candidates, ε, error) of each pass.
        overlap: Of the choice at half and twice ε with this one.
        moved: How far ε moved the choice; None where it cannot be said.
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
    """The solve behind the present potentials: its evidence, and its inputs.

    Attributes:
        targets: Rows of the target's side.
        epsilon: Absolute.
        encoder: The key of the vectors that it is of.
        earlier: The solve that it went on from.
        solver: semi-dual, published or exact.
    """

    targets: int
    epsilon: float
    encoder: str
    earlier: EarlierSolve | None = None
    solver: str = ""


class RankingFacts(Facts):
    """What a selector says of its ranking; what it alone knows stands beside these fields.

    Attributes:
        rank_seconds: It took.
        winner: Of a race.
        lambda_: Of the selection's share in the mixture that it is measured by.
        picks_by_round: Of a selector that picks in rounds.
    """

    model_config = ConfigDict(extra="allow")

    rank_seconds: float = 0.0
    winner: str | None = None
    lambda_: float = Field(1.0, alias="lambda")
    picks_by_round: list[int] | None = None


class SelectionFacts(RankingFacts):
    """A selection.

    Attributes:
        selection_hash: Names the selection.
        encoder: The key of the vectors.
        epsilon: Of the potentials, absolute.
        ledger: Every row's fate.
        candidates: Rows that could be chosen.
        excluded: Rows that could not.
        left_pool: Those of them that overlap the target: id, origin, reason.
        left_pool_rows: How many these are.
        also_in_train: Selected rows that are rows of target train.
        n_tokens: Words and marks of the selected rows.
        domains: Share of each domain in them.
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
        # Ledgers of before version 0.2 have this name; a table that both have written to has both columns.
        names = [pl.col(name) for name in ("stage", "station") if name in columns]
        return ledger.with_columns(stage=pl.coalesce(names)).drop("station")
