"""What the worker that trains is asked and what it answers, act by act.

Belongs here: the shape of both. Does not: what all contracts have in common
(`contracts.py`), or the training (`train.py`).
"""

from pathlib import Path
from typing import Literal

from getmore_assets.facts import Facts
from getmore_assets.lake import TableRef
from getmore_assets.training_facts import BaseModelFacts, FineTuningFacts, WarmUpFacts
from getmore_assets.workers.contracts import Contract, OnLake, OnPool, Worker


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
    base: Path
    runs: list[ComparedRun]
    selections: dict[str, list[str]]


class Compared(Facts):
    """How many runs a comparison made."""

    runs: int


TRAIN_BASE = Worker("train", BaseSpec, BaseModelFacts)
WARM_UP = Worker("train", WarmUpSpec, WarmUpFacts)
FINE_TUNE = Worker("train", FineTuneSpec, FineTuningFacts)
COMPARE = Worker("train", CompareSpec, Compared)
