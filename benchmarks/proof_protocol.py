"""The protocol of `proof.py`: parts, arms and recipes, all fixed before the runs.

Belongs here: what is run. Does not: running it (`proof.py`), predictions (`proof_predictions.py`), or the results
(`proof_report.py`).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

OURS, DOMAIN, DSIR, KNN, CYNICAL = "rounds + loss", "domain", "dsir", "knn", "cynical"
NONE, TARGET = "none", "target"
#: The control: the selection of `ours` for another target. It should be no better than random rows of the domains.
CONTROL = "for another target"
#: Arms by name, as in the task file. λ and the weight of the loss were chosen on ChemProt's validation split.
ARMS: dict[str, Any] = {
    OURS: {"selector": "got-d-rounds", "name": OURS, "rounds": {"lambda": 0.9, "loss": 2}},
    "rounds": {"selector": "got-d-rounds", "name": "rounds", "rounds": {"lambda": 0.9, "loss": 0}},
}
_DECIDING = (NONE, TARGET, DOMAIN, DSIR)
_EVERY = (*_DECIDING, CONTROL, KNN, CYNICAL, "random", "got-d", "rounds")


#: Largest number of rows of each split of a target: ChemProt's sizes, so that every target costs the same.
MOST_ROWS = {"train": 4200, "dev": 2500, "test": 3500}


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
        curves: `curves` of the task file, with all arms: fewer labels; slices of the pool, nearest to farthest.
        evaluated: Largest number of rows of `dev`, `test` and `general`, where it is less than `MOST_ROWS` and all
            general rows. Reading a row costs a large model as much as a third of training on it.
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
    curves: dict[str, Any] = field(default_factory=dict)
    evaluated: dict[str, int] = field(default_factory=dict)

    def most_rows(self, split: str) -> int:
        """Return the largest number of rows of a split of a target."""
        return self.evaluated.get(split, MOST_ROWS[split])

    def file_of(self, target: str, split: str) -> str:
        """Return the name of the file of a split of a target, as the part reads it."""
        own = f"-{self.evaluated[split]}" if split in self.evaluated else ""
        return f"{target}.{split}{own}.jsonl"

    @property
    def general_file(self) -> str:
        """The name of the file of general text."""
        return f"general-{self.evaluated['general']}.parquet" if "general" in self.evaluated else "general.parquet"

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
_SLICES = replace(
    _LM,
    **{"name": "slices", "deciding": (NONE,), "arms": (NONE,), "seeds": 1, "targets": ("mag", "scicite")},
    curves={"quantiles": 5},
)
_SMALL_DOSE = {"learning_rate": 5e-5, "batch_size": 8, "max_length": 256, "warmup_ratio": 0.1, "epochs": 1}
_SMOL = Part(
    name="smollm2",
    base=_SMOLLM2,
    words=20_000,  # about 30,000 of the model's tokens
    warmup=_SMALL_DOSE,
    finetune={**_SMALL_DOSE, "rows": 300},
    deciding=_DECIDING,
    arms=_DECIDING,
    seeds=2,
    targets=("chemprot", "scicite"),
    evaluated={"dev": 400, "test": 400, "general": 150},
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
    evaluated={"dev": 500},  # read after each epoch
    curves={"labels": [500]},
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
_TUNED = replace(_LM, name="tuned", deciding=(NONE,), arms=(NONE,), seeds=2, targets=("chemprot",))
_HALF_TARGET = replace(_TUNED, name="tuned-half-target", warmup={**_LM.warmup, "target_share": 0.5})
_REPLAY = replace(_TUNED, name="tuned-replay", warmup={**_LM.warmup, "replay": 0.2})
SIZES = {
    "cores": (_LM, _SMOL, _MINILM, _SLICES),
    "levers": (_TUNED, _HALF_TARGET, _REPLAY),
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
    sources: dict[str, Any] = {
        split: str(home / "targets" / part.file_of(target, name)) for split, name in files.items()
    }
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
        "general": str(home / part.general_file),
        "encoder": with_shared(part.encoder),
        "base_model": with_shared(part.base),
        "selection": {**ARMS[OURS], "budget": {"tokens": max(2000, round(scale * part.words))}},
        "warmup": part.warmup,
        "finetune": finetune,
        "compare": [known.get(arm, arm) for arm in arms],
        "curves": part.curves if set(part.arms) <= {*arms} else {},
        "seeds": seeds,
    }
