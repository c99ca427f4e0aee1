"""What each worker is asked and what it answers: the two sides of `spec.json` and `result.json`.

Belongs here: the shape of both, and which worker takes which. Does not: a worker's work, or starting one (`launch.py`).
An answer that a stage records is one of `facts.py`.
Fields that were not given are not written, so that a fact of a record is one that somebody found.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

from pydantic import ConfigDict, Field

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.facts import EarlierSolve, Encoding, Facts, SolveFacts, TriageFacts
from getmore_assets.json_models import Given
from getmore_assets.lake import TableRef


class Contract(Given):
    """What a worker is asked; fields that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Spec = TypeVar("Spec", bound=Contract)
Result = TypeVar("Result", bound=Facts)


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
    commit: dict[str, str] = Field(default_factory=dict)


class OnPool(OnLake):
    """Of a worker that reads the texts of pool and target."""

    raw_corpus: TableRef
    target_data: TableRef


class EmbedSpec(OnPool):
    """Give every candidate of the kept domains and every point of the target a vector."""

    domain_triage: TableRef


class Embedded(Encoding):
    """What was encoded, in `seconds`, as `EmbeddingFacts` says."""

    without_vector: int
    seconds: float
    refitted: str | None = None


class TriageSpec(OnPool):
    """Measure every domain of the pool against the target."""

    leakage: TableRef


class OnVectors(OnPool):
    """Of a worker that reads the vectors of all who may be chosen, which `encoder` is the key of."""

    leakage: TableRef
    domain_triage: TableRef
    embeddings: TableRef
    encoder: str


class SolveSpec(OnVectors):
    """Solve for the potentials of a target, from an earlier solve where there is one."""

    earlier: EarlierSolve | None


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
    choices: list[AskedRanking] = Field(default_factory=list)
    measured: dict[str, list[str]] = Field(default_factory=dict)
    share: float | None = None


class Selected(Facts):
    """How many rankings are there, and the distance of each set that was measured."""

    choices: int
    distances: dict[str, float]


class TryModelsSpec(Contract):
    """Take one step of a small copy of each model, by the field of the task file that names it."""

    task: Task
    models: dict[str, Path]


class Tried(Facts):
    """How many models were tried."""

    models: int


EMBED = Worker("embed", EmbedSpec, Embedded)
TRIAGE = Worker("triage", TriageSpec, TriageFacts)
SOLVE = Worker("solve", SolveSpec, SolveFacts)
SELECT = Worker("select", SelectSpec, Selected)
TRY_MODELS = Worker("try_models", TryModelsSpec, Tried)
