"""The spec and the result of each worker, as models of `spec.json` and `result.json`.

Belongs here: these models, and which worker has which. Does not: a worker's work, or starting a worker (`launch.py`).
A result that a stage records has its model in `facts.py`.
Fields that were not given are not written, so a record has no defaults in place of measured values.
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
    """A part of a spec; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Spec = TypeVar("Spec", bound=Contract)
Result = TypeVar("Result", bound=Facts)


@dataclass(frozen=True)
class Worker(Generic[Spec, Result]):
    """A worker: the name of its module, and the types of its spec and its result."""

    name: str
    spec: type[Spec]
    result: type[Result]


class OfStage(TypedDict):
    """The fields that every spec of a stage has."""

    task: Task
    lake: str | Path
    work: Path
    commit: dict[str, str]


class OnLake(Contract):
    """The spec of a worker that reads and writes tables.

    Attributes:
        task: The task.
        lake: Folder or URL of the lake.
        work: A folder with the worker's state, from which it resumes after a crash.
        commit: Metadata of commits to tables: who writes.
    """

    task: Task
    lake: str | Path
    work: Path
    commit: dict[str, str] = Field(default_factory=dict)


class OnPool(OnLake):
    """The spec of a worker that reads the texts of pool and target."""

    raw_corpus: TableRef
    target_data: TableRef


class EmbedSpec(OnPool):
    """Encode every candidate of the kept domains, and every point of the target."""

    domain_triage: TableRef


class Embedded(Encoding):
    """The result of encoding, with its time in `seconds`; the other fields are those of `EmbeddingFacts`."""

    without_vector: int
    seconds: float
    refitted: str | None = None


class TriageSpec(OnPool):
    """Measure every domain of the pool against the target."""

    leakage: TableRef


class OnVectors(OnPool):
    """The spec of a worker that reads the vectors of all eligible candidates; `encoder` is the key of the vectors."""

    leakage: TableRef
    domain_triage: TableRef
    embeddings: TableRef
    encoder: str


class SolveSpec(OnVectors):
    """Solve for the potentials of a target, from an earlier solve where there is one."""

    earlier: EarlierSolve | None


class AskedRanking(Contract):
    """A ranking to compute; the worker writes it to `<path>.parquet`, and its facts to `<path>.json`."""

    selector: Selector
    budget: Budget
    path: Path


class SelectSpec(OnVectors):
    """Let selectors rank the candidates, and measure subsets.

    Attributes:
        epsilon: Regularisation of the potentials, absolute.
        relaxation: Relaxation of the target marginal, absolute; None for none.
        base: The folder of the base model; None where no selector needs it.
        choices: The rankings to compute.
        measured: Sets of ids, by name, whose distance to the target is computed.
        share: λ in that distance.
    """

    ot_potentials: TableRef
    epsilon: float
    relaxation: float | None
    base: Path | None
    choices: list[AskedRanking] = Field(default_factory=list)
    measured: dict[str, list[str]] = Field(default_factory=dict)
    share: float | None = None


class Selected(Facts):
    """The number of rankings, and the distance of each measured set."""

    choices: int
    distances: dict[str, float]


class TryModelsSpec(Contract):
    """Take one step of a small copy of each model; `models` are folders by the task file's field that names them."""

    task: Task
    models: dict[str, Path]


class Tried(Facts):
    """The number of models tried."""

    models: int


EMBED = Worker("embed", EmbedSpec, Embedded)
TRIAGE = Worker("triage", TriageSpec, TriageFacts)
SOLVE = Worker("solve", SolveSpec, SolveFacts)
SELECT = Worker("select", SelectSpec, Selected)
TRY_MODELS = Worker("try_models", TryModelsSpec, Tried)
