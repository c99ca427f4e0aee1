"""The protocol of `proof.py`: parts, arms, recipes and predictions, all fixed before the runs.

Belongs here: what is run. Does not: running it (`proof.py`), or the results (`proof_report.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

OURS, DOMAIN, DSIR, KNN, CYNICAL = "rounds + loss", "domain", "dsir", "knn", "cynical"
NONE, TARGET = "none", "target"
#: The control: the selection of `ours` for another target. It should be no better than random rows of the domains.
CONTROL = "for another target"
_ROUNDS = {"selector": "got-d-rounds", "rounds": {"lambda": 0.9}}
#: Arms by name, as in the task file. λ and the weight of the loss were chosen on ChemProt's validation split.
ARMS: dict[str, Any] = {
    OURS: {"selector": "got-d-rounds", "name": OURS, "rounds": {"lambda": 0.9, "loss": 2}},
    "rounds": {**_ROUNDS, "name": "rounds"},
}
_DECIDING = (NONE, TARGET, DOMAIN, DSIR)
_EVERY = (*_DECIDING, CONTROL, KNN, CYNICAL, "random", "got-d", "rounds")


@dataclass(frozen=True)
class Part:
    """A base model with its recipe, and the arms that are compared.

    Attributes:
        name: Name of the part.
        base: `base_model` of the task file; {shared} is replaced.
        words: Budget: words and punctuation marks.
        warmup: Recipe of the warm-up.
        finetune: Recipe of fine-tuning; `rows` is the largest number of rows of target train.
        deciding: The arms that decide the verdict, besides `ours`.
        arms: All arms besides `ours`.
        seeds: Number of seeds.
        labels: Whether a classifier is trained on the target's labels.
        targets: Names of the targets; all if empty.
        encoder: `encoder` of the task file.
    """

    name: str
    base: dict[str, Any]
    words: int
    warmup: dict[str, Any]
    finetune: dict[str, Any]
    deciding: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: int
    labels: bool = False
    targets: tuple[str, ...] = ()
    encoder: dict[str, Any] = field(default_factory=lambda: {"model": "lexical"})

    def takes(self, target: str) -> bool:
        """Return whether the part includes a target."""
        return not self.targets or target in self.targets


_POOL_GPT2 = {"model": "{shared}/models/pool-gpt2", "objective": "causal"}
_SMOLLM2 = {"model": "smollm2", "objective": "causal"}
_LM = Part(
    name="lm",
    base=_POOL_GPT2,
    words=90_000,  # about 210,000 of the model's tokens
    warmup={"epochs": 1, "learning_rate": 5e-4, "batch_size": 16, "max_length": 256},
    finetune={"epochs": 1, "learning_rate": 5e-4, "batch_size": 16, "max_length": 256, "rows": 4200},
    deciding=_DECIDING,
    arms=_EVERY,
    seeds=4,
)
_SMALL_DOSE = {"learning_rate": 5e-5, "batch_size": 8, "max_length": 256, "warmup_ratio": 0.1, "epochs": 1}
_SMOL = Part(
    name="smollm2",
    base=_SMOLLM2,
    words=40_000,  # about 60,000 of the model's tokens
    warmup=_SMALL_DOSE,
    finetune={**_SMALL_DOSE, "rows": 600},
    deciding=_DECIDING,
    arms=_DECIDING,
    seeds=2,
    targets=("chemprot", "scicite"),
)
_MINILM = Part(
    name="minilm",
    base={"model": "minilm", "objective": "masked"},
    words=150_000,
    warmup={"epochs": 1, "learning_rate": 1e-4, "batch_size": 32, "max_length": 128, "warmup_ratio": 0.1},
    finetune={
        **{"epochs": 10, "learning_rate": 1e-4, "batch_size": 32, "max_length": 128, "warmup_ratio": 0.1},
        **{"rows": 1000, "patience": 3},
    },
    deciding=(NONE,),
    arms=(NONE, TARGET, "bag-of-words", "random-init"),
    seeds=4,
    labels=True,
    targets=("chemprot",),
)
_GPU = Part(
    name="smollm2-gpu",
    base=_SMOLLM2,
    words=340_000,  # about 500,000 of the model's tokens
    warmup={**_SMALL_DOSE, "batch_size": 32},
    finetune={**_SMALL_DOSE, "batch_size": 32, "rows": 1000, "epochs": 10, "patience": 3},
    deciding=_DECIDING,
    arms=(*_DECIDING, CYNICAL),
    seeds=4,
    labels=True,
    targets=("chemprot", "scicite"),
)
_PAPER = Part(
    name="bert",
    base={"model": "bert-base-uncased", "objective": "masked"},
    words=30_000_000,  # about 38 million of the model's tokens: 150,000 rows of 256
    warmup={"epochs": 1, "learning_rate": 1e-4, "batch_size": 64, "max_length": 256},
    finetune={"epochs": 10, "learning_rate": 1e-4, "batch_size": 64, "max_length": 256, "warmup_ratio": 0.1},
    deciding=_DECIDING,
    arms=_EVERY,
    seeds=10,
    labels=True,
)
# Variants of `ours`, each like `lm` except for one setting, on the target for tuning.
_TUNED = replace(
    _LM, name="tuned", deciding=(NONE, DOMAIN), arms=(NONE, DOMAIN, "rounds"), seeds=2, targets=("chemprot",)
)
_READOUT = replace(
    _TUNED,
    name="tuned-readout",
    encoder={"model": "{shared}/models/pool-gpt2", "pooling": "readout", "max_length": 128},
)
_HALF_TARGET = replace(_TUNED, name="tuned-half-target", warmup={**_LM.warmup, "target_share": 0.5})
_REPLAY = replace(_TUNED, name="tuned-replay", warmup={**_LM.warmup, "replay": 0.2})
SIZES = {
    "cores": (_LM, _SMOL, _MINILM),
    "levers": (_TUNED, _HALF_TARGET, _REPLAY, _READOUT),
    "gpu": (_GPU,),
    "paper": (_PAPER,),
}


def task_of(
    part: Part,
    target: str,
    arms: tuple[str, ...],
    seeds: int,
    *,
    shared: Path,
    home: Path,
    scale: float,
    control: Path | None,
) -> dict[str, Any]:
    """Return the fields of the task of a part and a target; `control` is the file with the ids of the control."""
    imported = {"selector": "imported", "name": CONTROL, "imported": {"path": str(control), "id": "id"}}
    known = {**ARMS, CONTROL: imported}
    arms = tuple(arm for arm in arms if arm != CONTROL or control)
    files = {"train": "train", "validation": "dev", "test": "test"}
    sources: dict[str, Any] = {split: str(home / "targets" / f"{target}.{name}.jsonl") for split, name in files.items()}
    if part.labels:
        sources["label"] = "label"

    def with_shared(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: v.replace("{shared}", str(shared)) if isinstance(v, str) else v for name, v in fields.items()}

    finetune = dict(part.finetune)
    if "rows" in finetune:
        finetune["rows"] = max(32, round(scale * finetune["rows"]))
    if scale < 1:
        finetune["epochs"] = 1
    return {
        "name": f"{part.name}-{target}",
        "lake": str(home / "lake"),
        "candidates": [{"path": "", "text": "text", "source": "source", "domain": "domain"}],
        "target": sources,
        "general": str(home / "general.parquet"),
        "encoder": with_shared(part.encoder),
        "base_model": with_shared(part.base),
        "selection": {**ARMS[OURS], "budget": {"tokens": max(2000, round(scale * part.words))}},
        "warmup": part.warmup,
        "finetune": finetune,
        "compare": [known.get(arm, arm) for arm in arms],
        "seeds": seeds,
    }


@dataclass(frozen=True)
class Prediction:
    """A prediction written before the runs.

    Attributes:
        said: The prediction, in words.
        holds: Returns whether it holds, from the figures of the held-out targets; None if they are not known yet.
    """

    said: str
    holds: Callable[[list[dict[str, Any]]], bool | None]


def _mean(figures: dict[str, Any], arm: str, metric: str) -> float:
    return float(figures["arms"][arm][metric]["mean"])


def _all(figures: list[dict[str, Any]], arms: tuple[str, ...], test: Callable[[dict[str, Any]], bool]) -> bool | None:
    """Return whether a test holds for every target that has these arms; None if no target has them."""
    complete = [one for one in figures if all(arm in one["arms"] for arm in arms)]
    return all(test(one) for one in complete) if complete else None


BEFORE, AFTER, GENERAL = "zero_shot_nats_per_character", "nats_per_character", "general_nats_per_character"


def _beats(rival: str, metric: str) -> Callable[[dict[str, Any]], bool]:
    return lambda one: one["against"][metric][rival]["judgement"] == "better"


PREDICTIONS = {
    "lm": [
        Prediction(
            "before the target's text, ours beats random rows of the nearest domains on every held-out target (Holm)",
            lambda found: _all(found, (OURS, DOMAIN), _beats(DOMAIN, BEFORE)),
        ),
        Prediction(
            "before the target's text, ours beats DSIR on every held-out target (Holm)",
            lambda found: _all(found, (OURS, DSIR), _beats(DSIR, BEFORE)),
        ),
        Prediction(
            "after all of the target's text, ours is still at least 1 % of nats ahead of random rows of the domains",
            lambda found: _all(
                found,
                (OURS, DOMAIN),
                lambda one: _mean(one, OURS, AFTER) <= 0.99 * _mean(one, DOMAIN, AFTER),
            ),
        ),
        Prediction(
            "what ours chose for another target is worth no more than random rows of the domains, within 1 % of nats",
            lambda found: _all(
                found,
                (CONTROL, DOMAIN),
                lambda one: _mean(one, CONTROL, BEFORE) >= 0.99 * _mean(one, DOMAIN, BEFORE),
            ),
        ),
        Prediction(
            "cynical selection reads the target best of all selectors before the target's text",
            lambda found: _all(
                found,
                (OURS, CYNICAL, KNN),
                lambda one: all(
                    _mean(one, CYNICAL, BEFORE) <= _mean(one, arm, BEFORE) for arm in (OURS, DSIR, KNN, DOMAIN)
                ),
            ),
        ),
        Prediction(
            "general text is forgotten less by ours than by kNN",
            lambda found: _all(found, (OURS, KNN), lambda one: _mean(one, OURS, GENERAL) < _mean(one, KNN, GENERAL)),
        ),
    ],
    "smollm2": [
        Prediction(
            "on a converged base, one's own text gains 8 to 15 % of nats (none to target, before fine-tuning)",
            lambda found: _all(
                found,
                (NONE, TARGET),
                lambda one: 0.85 <= _mean(one, TARGET, BEFORE) / _mean(one, NONE, BEFORE) <= 0.92,
            ),
        ),
    ],
}


def _nats(parts: dict[str, Any], part: str, arm: str, metric: str) -> float | None:
    found = [one for one in parts.get(part, {}).get("targets", []) if arm in one["arms"]]
    return _mean(found[0], arm, metric) if found else None


def _at_most(part: str, arm: str, metric: str, times: float) -> Callable[[dict[str, Any]], bool | None]:
    """Return a test that a part's nats are at most `times` those of `tuned`, from which it differs in one setting."""

    def holds(parts: dict[str, Any]) -> bool | None:
        changed, tuned = (_nats(parts, name, arm, metric) for name in (part, "tuned"))
        return changed <= times * tuned if changed is not None and tuned is not None else None

    return holds


#: Predictions about single settings, written before the runs.
LEVERS = [
    ("half of the stream from the target's own text: at least 10 % fewer nats before fine-tuning",
     _at_most("tuned-half-target", OURS, BEFORE, 0.9)),
    ("and after fine-tuning at most as many nats as picks alone", _at_most("tuned-half-target", OURS, AFTER, 1.0)),
    ("a fifth of the stream from random rows: at least 3 % fewer nats on general text",
     _at_most("tuned-replay", OURS, GENERAL, 0.97)),
    ("for at most 1 % more nats on the target", _at_most("tuned-replay", OURS, AFTER, 1.01)),
    ("rounds on read-out gradients read the target at least as well as rounds on words, after fine-tuning",
     _at_most("tuned-readout", "rounds", AFTER, 1.0)),
]  # fmt: skip
