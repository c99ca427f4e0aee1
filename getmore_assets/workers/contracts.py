"""What each worker is asked and what it answers: the two sides of `spec.json` and `result.json`.

Belongs here: the shape of both, and which worker takes which. Does not: a worker's work, or starting one (`launch.py`).
Fields that were not given are not written, so that a fact of a record is one that somebody found.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.lake import TableRef

Numbers = dict[str, int | float]


class Contract(BaseModel):
    """One side of a contract; fields that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, as JSON's objects."""
        return self.model_dump(mode="json", exclude_unset=True)


Spec = TypeVar("Spec", bound=Contract)
Result = TypeVar("Result", bound=Contract)


@dataclass(frozen=True)
class Worker(Generic[Spec, Result]):
    """A worker: the name of its module, what it is asked and what it answers."""

    name: str
    spec: type[Spec]
    result: type[Result]


class OfStage(TypedDict):
    """What every spec of a stage has in common."""

    task: Task
    lake: Path
    work: Path
    commit: dict[str, str]


class OnLake(Contract):
    """Of a worker that reads and writes tables.

    Attributes:
        task: What is made.
        lake: The root of the lake that is written to.
        work: A folder to go on from after a crash.
        commit: What a commit to a table says of who made it.
    """

    task: Task
    lake: Path
    work: Path
    commit: dict[str, str] = {}


class OnPool(OnLake):
    """Of a worker that reads the texts of pool and target."""

    raw_corpus: TableRef
    target_data: TableRef


class EmbedSpec(OnPool):
    """Give every candidate of the kept domains and every point of the target a vector."""

    domain_triage: TableRef


class Embedded(Contract):
    """What was encoded.

    Attributes:
        version: Of the table of vectors.
        encoder: The key of the vectors.
        encoded: Rows whose vectors were added.
        reused: Rows whose vectors were there.
        without_vector: Rows whose texts say nothing to the encoder.
        seconds: It took.
        refitted: Why the encoder was fitted again, where it was.
    """

    version: int
    encoder: str
    encoded: int
    reused: int
    without_vector: int
    seconds: float
    refitted: str | None = None


class TriageSpec(OnPool):
    """Measure every domain of the pool against the target."""

    leakage: TableRef


class MeasuredDomain(Contract):
    """A domain, as the table of triage has it (`stages/domain_triage.py`)."""

    nearness: int
    rows: int
    domain: str
    sampled: int
    distance: float
    error: float
    kept: bool


class Triaged(Contract):
    """The domains, nearest first, and what measuring them took; `encoder` is the key of the vectors."""

    version: int
    encoder: str
    domains: list[MeasuredDomain]
    encoded: int
    reused: int
    encode_seconds: float
    solve_seconds: float


class EarlierSolve(Contract):
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


class OnVectors(OnPool):
    """Of a worker that reads the vectors of all who may be chosen, which `encoder` is the key of."""

    leakage: TableRef
    domain_triage: TableRef
    embeddings: TableRef
    encoder: str


class SolveSpec(OnVectors):
    """Solve for the potentials of a target, from an earlier solve where there is one."""

    earlier: EarlierSolve | None


class Moved(Contract):
    """How far ε moves what is chosen, on a sample: see `transport.exact.moved_by_epsilon`."""

    candidates: int
    targets: int
    exact_cost: float
    entropic_cost: float
    jaccard: list[dict[str, float | None]]


class Solved(Contract):
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

    version: int
    decision: str
    drift: dict[str, float]
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
    history: list[tuple[int, float, float]] = []
    overlap: list[dict[str, float | None]] = []
    moved: Moved | None = None
    seconds: float | None = None
    planned_seconds: float | None = None
    planned_memory_mb: float | None = None


class AskedRanking(Contract):
    """A ranking that a selector is asked for; it goes to `<path>.parquet`, its facts to `<path>.json`."""

    selector: Selector
    budget: Budget
    path: Path


class SelectSpec(OnVectors):
    """Let selectors rank the candidates, and measure subsets.

    Attributes:
        epsilon: Of the potentials, absolute.
        relaxation: Of the target marginal, absolute; None for none.
        base: The folder of the base model, where a selector asks it.
        choices: The rankings.
        measured: Sets of ids, by name, whose distance is asked for.
        share: λ of that distance.
    """

    ot_potentials: TableRef
    epsilon: float
    relaxation: float | None
    base: Path | None
    choices: list[AskedRanking] = []
    measured: dict[str, list[str]] = {}
    share: float | None = None


class Selected(Contract):
    """How many rankings are there, and the distance of each set that was measured."""

    choices: int
    distances: dict[str, float]


class TryModelsSpec(Contract):
    """Take one step of a small copy of each model, by the field of the task file that names it."""

    task: Task
    models: dict[str, Path]


class Tried(Contract):
    """How many models were tried."""

    models: int


EMBED = Worker("embed", EmbedSpec, Embedded)
TRIAGE = Worker("triage", TriageSpec, Triaged)
SOLVE = Worker("solve", SolveSpec, Solved)
SELECT = Worker("select", SelectSpec, Selected)
TRY_MODELS = Worker("try_models", TryModelsSpec, Tried)
