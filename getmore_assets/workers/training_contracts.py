"""The specs and results of the worker that trains, one of each per command (`act`).

Belongs here: these models. Does not: what all contracts have in common (`contracts.py`), or the training (`train.py`).
"""

from pathlib import Path
from typing import Literal

from getmore_assets.facts import Facts
from getmore_assets.lake import TableRef
from getmore_assets.training_facts import BaseModelFacts, FineTuningFacts, WarmUpFacts
from getmore_assets.workers.contracts import Contract, OnLake, OnPool, Worker


class BaseSpec(OnPool):
    """Build the base model in `folder`."""

    act: Literal["base"]
    folder: Path


class WarmUpSpec(OnLake):
    """Warm the base model up on the selected subset; pool and target are given if the recipe reads them."""

    act: Literal["warm_up"]
    selected_subset: TableRef
    raw_corpus: TableRef | None
    target_data: TableRef | None
    base: Path
    folder: Path
    seed: int


class OnTarget(OnPool):
    """The spec of a training that is evaluated on the target; `classes` are the target's labels, in order."""

    classes: list[str]


class FineTuneSpec(OnTarget):
    """Fine-tune the warmed model on target train."""

    act: Literal["fine_tune"]
    warmed: Path
    folder: Path
    seed: int


class WarmsOn(Contract):
    """The warm-up data of a run: the hash of its rows, or `target` for the target's own text; and blocks of tokens."""

    hash: str
    blocks: int


class ComparedRun(Contract):
    """A run of a comparison.

    Attributes:
        selector: Name of the selector in the comparison.
        seed: Seed of the trainings.
        warms: Data of the warm-up; None for no warm-up.
        labels: Limit of target train rows in fine-tuning; None for all rows.
        result: The file for the metrics.
    """

    selector: str
    seed: int
    warms: WarmsOn | None
    labels: int | None
    result: Path


class CompareSpec(OnTarget):
    """Warm up and fine-tune for every run; `selections` are the ids of each hash, in order."""

    act: Literal["compare"]
    base: Path
    runs: list[ComparedRun]
    selections: dict[str, list[str]]


class Compared(Facts):
    """The number of runs in a comparison."""

    runs: int


TRAIN_BASE = Worker("train", BaseSpec, BaseModelFacts)
WARM_UP = Worker("train", WarmUpSpec, WarmUpFacts)
FINE_TUNE = Worker("train", FineTuneSpec, FineTuningFacts)
COMPARE = Worker("train", CompareSpec, Compared)
