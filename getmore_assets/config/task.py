"""The task file as a whole.

Belongs here: the top level of the task file. Does not: the sections (the other modules here).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from getmore_assets.config.launch import Launch
from getmore_assets.config.selection import (
    BAG_OF_WORDS,
    LOSS,
    NONE,
    UNSELECTED,
    AnySelector,
    Quotas,
    Selection,
    Selector,
)
from getmore_assets.config.sources import ASSET_PREFIX, SPLITS, AnySource, Corpus, Section, Source, Target
from getmore_assets.config.training import BaseModelChoice, Curves, FineTuning, Toxicity, WarmUp, ZeroShot
from getmore_assets.config.transport import BROUGHT, Drift, Encoder, Transport, Triage
from getmore_assets.object_stores import LAKES, is_on_store


class Task(Section):
    """A task: one target and the pipeline for it."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$", description="name of the target and its results", examples=["mine"]
    )
    lake: str = Field(
        ".getmore",
        description="the folder of all results, or the URL of one on a store (s3://, gs://, az://); `~` is your home",
    )
    candidates: list[AnySource] = Field(
        min_length=1, description="the sources of the corpus to select from", examples=["[{path: corpus/*.jsonl}]"]
    )
    target: Target = Field(
        description="the examples of the target", examples=["{train: train.jsonl, text: text, label: label}"]
    )
    general: AnySource | None = Field(
        None, description="general text to measure forgetting on, instead of held-out rows"
    )
    corpus: Corpus = Corpus()
    leakage: Literal["drop", "error", "allow"] = Field(
        "drop",
        description="rows of pool and train that overlap validation or test: drop them, refuse the task (error), or "
        "allow them",
    )
    encoder: Encoder = Encoder()
    base_model: BaseModelChoice = BaseModelChoice()
    selection: Selection = Selection()
    triage: Triage = Triage()
    transport: Transport = Transport()
    drift: Drift = Drift()
    approval: bool = Field(False, description="whether someone must approve the selection before the warm-up")
    warmup: WarmUp = WarmUp()
    finetune: FineTuning = FineTuning()
    compare: list[AnySelector] = Field(
        [Selector(selector=NONE), Selector(selector="random")],
        description="selectors to compare the chosen selector with, at equal tokens; `none` is no warm-up, `target` a "
        "warm-up on target.train, `bag-of-words` a classifier without a model, `random-init` the base model with "
        "random weights",
    )
    zero_shot: ZeroShot | None = None
    toxicity: Toxicity | None = None
    curves: Curves = Curves()
    launch: Launch = Launch()
    seeds: int = Field(3, ge=1, le=100, description="number of seeds with which each model is trained and evaluated")

    @property
    def waits_for_assets(self) -> bool:
        """Whether a source is an asset whose materialization is not looked up yet."""
        return any(source.path.startswith(ASSET_PREFIX) for source in [*self.candidates, *self.of_target])

    @property
    def of_target(self) -> list[Source]:
        """The sources of the target and of general text."""
        sources = [*(getattr(self.target, split) for split in SPLITS), self.general]
        return [source for source in sources if source is not None]

    def with_sources(self, change: Callable[[Source], Source]) -> "Task":
        """Return this task with `change` applied to every source of candidates, target and general text.

        If no source changes, the same object is returned, so that results cached for this object are found.
        """
        before = {split: source for split in SPLITS if (source := getattr(self.target, split)) is not None}
        target = {split: change(source) for split, source in before.items()}
        candidates, general = [change(source) for source in self.candidates], self.general and change(self.general)
        pairs = [*zip(candidates, self.candidates, strict=True), *((target[split], before[split]) for split in before)]
        if general is self.general and all(now is was for now, was in pairs):
            return self
        changed: dict[str, object] = {"candidates": candidates, "target": self.target.model_copy(update=target)}
        return self.model_copy(update=changed | ({"general": general} if general else {}))

    @property
    def rivals(self) -> list[Selector]:
        """The selectors to compare the chosen selector with."""
        chosen = self.selection.only_selector()
        return [one for one in self.compare if one != chosen and one.selector not in UNSELECTED]

    @property
    def quotas(self) -> list[Quotas]:
        """The quotas of all selectors that have any."""
        return [one.quotas for one in (self.selection, *self.compare) if one.quotas]

    @property
    def unselected(self) -> list[str]:
        """The entries of `compare` that do not select."""
        return [name for name in UNSELECTED if any(one.selector == name for one in self.compare)]

    @field_validator("lake")
    @classmethod
    def _lake_is_a_folder(cls, lake: str) -> str:
        store = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", lake)
        if store and store[1].lower() == "file":
            raise ValueError(f"write the path alone: /{lake[len(store[0]) :].lstrip('/')}")
        if is_on_store(lake):
            return lake.rstrip("/")
        if store:
            raise ValueError(f"`{store[1]}` is not a store for lakes: use {', '.join(LAKES)}, or give a folder")
        if not lake.strip():
            raise ValueError("give a folder, or leave `lake` out for .getmore")
        if not lake.startswith("~"):
            return lake
        home = str(Path(lake).expanduser()) if lake[1:2] in ("", "/") else lake
        if home.startswith("~"):
            raise ValueError("only `~/` is expanded to a home folder: write the whole path")
        return home

    @property
    def _is_labelled(self) -> bool:
        return self.target.label is not None or self.target.train.label is not None

    @model_validator(mode="after")
    def _names_differ(self) -> "Task":
        names = [self.selection.called, *self.unselected, *(one.called for one in self.rivals)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two selectors are called `{twice[0]}`: give one a `name`")
        return self

    @model_validator(mode="after")
    def _unselected_have_no_settings(self) -> "Task":
        for one in self.compare:
            if one.selector in UNSELECTED and one != Selector(selector=one.selector):
                raise ValueError(
                    f"in `compare`, `{one.selector}` has neither a name nor settings: write its name alone"
                )
        return self

    @model_validator(mode="after")
    def _loss_has_a_weight(self) -> "Task":
        weight = 0.0 if self.base_model == BaseModelChoice() else LOSS
        found = {
            "selection": self.selection.with_loss(weight),
            "compare": [one.with_loss(weight) for one in self.compare],
        }
        self.__dict__.update(found)  # a frozen model has no assignment, and a copy would not replace this one
        return self

    @model_validator(mode="after")
    def _bag_of_words_has_labels(self) -> "Task":
        if BAG_OF_WORDS in self.unselected and not (self._is_labelled and self.finetune.epochs):
            raise ValueError(f"in `compare`, `{BAG_OF_WORDS}` is a classifier: it needs `target.label`")
        return self

    @model_validator(mode="after")
    def _parts_have_names(self) -> "Task":
        if not self._is_labelled and any(quotas.by == "label" for quotas in self.quotas):
            raise ValueError("`quotas: {by: label}` needs `target.label`")
        return self

    @model_validator(mode="after")
    def _evaluators_fit(self) -> "Task":
        evaluators = [name for name in ("zero_shot", "toxicity") if getattr(self, name) is not None]
        if evaluators and self.base_model.objective != "causal":
            raise ValueError(f"`{evaluators[0]}` evaluates causal models: set base_model.objective to causal")
        if self.zero_shot and not self._is_labelled:
            raise ValueError("`zero_shot` needs `target.label`: predictions are compared with the labels")
        if self._is_labelled and not self.finetune.epochs and not self.zero_shot:
            raise ValueError("finetune.epochs is 0, so no classifier learns the labels: take `target.label` out")
        return self

    @model_validator(mode="after")
    def _texts_can_be_isolated(self) -> "Task":
        isolated = [name for name in ("warmup", "finetune") if getattr(self, name).packing == "isolated"]
        if isolated and self.base_model.objective != "causal":
            what = f"{isolated[0]}.packing: `isolated` needs a causal model"
            raise ValueError(f"{what}: set base_model.objective to causal, or take packing out")
        return self

    @model_validator(mode="after")
    def _batches_can_be_shared_out(self) -> "Task":
        count, base = self.launch.train.total, self.base_model
        factors = "launch.train.processes" + (" times launch.train.nnodes" if self.launch.train.nnodes > 1 else "")
        first = ("base_model.small", base.small) if base.model == "small" else ("base_model.head", base.head)
        for name, recipe in (first, ("warmup", self.warmup), ("finetune", self.finetune)):
            if recipe.batch_size % count:
                what = f"{name}.batch_size is {recipe.batch_size}, which {count} processes cannot share equally"
                raise ValueError(f"{what}: make it a multiple of {factors}")
        return self

    @model_validator(mode="after")
    def _precomputed_vectors_are_named(self) -> "Task":
        if self.encoder.model != BROUGHT:
            return self
        if self.launch.embed:
            raise ValueError(f"encoder.model is `{BROUGHT}`, so nothing is encoded: take launch.embed out")
        splits = [source for split in SPLITS if (source := self.target.source(split))]
        for source in [*self.candidates, *splits]:
            if source.vector is None:
                raise ValueError(f"encoder.model is `{BROUGHT}`, so {source.path} must name its `vector` column")
        return self
