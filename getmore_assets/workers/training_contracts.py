"""What the worker that trains is asked and what it answers, act by act.

Belongs here: the shape of both. Does not: what all contracts have in common (`contracts.py`), or the training (`train.py`).
"""

from pathlib import Path
from typing import Literal

from getmore_assets.lake import TableRef
from getmore_assets.workers.contracts import Contract, Numbers, OnLake, OnPool, Worker


class BaseSpec(OnPool):
    """Make the base model, in `folder`."""

    act: Literal["base"]
    folder: Path


class WarmUpSpec(OnLake):
    """Warm the base model up on the selected subset."""

    act: Literal["warm_up"]
    selected_subset: TableRef
    base: Path
    folder: Path
    seed: int


class OnTarget(OnPool):
    """Of a training that is scored on the target; `classes` are its labels, in order."""

    base: Path
    classes: list[str]


class FineTuneSpec(OnTarget):
    """Fine-tune the warmed model on target train."""

    act: Literal["fine_tune"]
    warmed: Path
    folder: Path
    seed: int


class WarmsOn(Contract):
    """What a run is warmed up on: the hash of the rows, or `target` for the target's own text; and blocks of tokens."""

    hash: str
    blocks: int


class ComparedRun(Contract):
    """A run of a comparison.

    Attributes:
        selector: By its name in the comparison.
        seed: Of the trainings.
        warms: What it is warmed up on; None for no warm-up.
        labels: Rows of target train it is fine-tuned on at most; None for all.
        result: The file that its metrics go to.
    """

    selector: str
    seed: int
    warms: WarmsOn | None
    labels: int | None
    result: Path


class CompareSpec(OnTarget):
    """Warm up and fine-tune for every run; `selections` are the ids behind each hash, in order."""

    act: Literal["compare"]
    runs: list[ComparedRun]
    selections: dict[str, list[str]]


class Trained(Contract):
    """A training: `curve` is (step; loss, or eval_loss and eval_accuracy), `train_seconds` without reading weights."""

    steps: int
    train_seconds: float
    curve: list[Numbers]


class BaseMade(Trained):
    """The base model; `head_trained` are the weights that were trained first, `rows` what it was trained on."""

    parameters: int
    head_trained: list[str]
    rows: int


class WarmedUp(Trained):
    """The warmed model: blocks and tokens that it read, and the rows they come from."""

    blocks: int
    tokens: int
    rows: int
    warmup_seconds: float


class FineTuned(Trained):
    """The fine-tuned model and its metrics on test, and on general text."""

    metrics: dict[str, float]
    finetune_seconds: float


class Compared(Contract):
    """How many runs a comparison made."""

    runs: int


TRAIN_BASE = Worker("train", BaseSpec, BaseMade)
WARM_UP = Worker("train", WarmUpSpec, WarmedUp)
FINE_TUNE = Worker("train", FineTuneSpec, FineTuned)
COMPARE = Worker("train", CompareSpec, Compared)
