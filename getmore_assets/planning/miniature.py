"""The task in small: the same line on samples, in a lake of its own.

Belongs here: which fields of the task change, and how. Does not: running it (`defs/forecast.py`).

The small one goes the whole way, with a few steps of every training: it tells what is the same whatever the size.
The large one goes to the subset, with the whole target: it tells what grows with the pool.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from getmore_assets.config import BROUGHT, LEXICAL, NONE, Task
from getmore_assets.corpus.passages import PAIR
from getmore_assets.models import find_model, is_here
from getmore_assets.planning.sampling import CHARS_A_TOKEN, SMALL, STEPS, Look

_STAND_IN_WIDTH = 256
_NARROW = 32  # of the vectors where nothing is measured of them
_DROPPED = ("general", "zero_shot", "toxicity", "curves", "drift", "approval", "triage", "compare", "encoder")
_FEWEST_PICKS = 32


def stands_in(task: Task) -> bool:
    """Whether the lexical encoder stands in for a model, whose speed is measured by itself."""
    return task.encoder.model not in (LEXICAL, BROUGHT)


def width_of(task: Task) -> int:
    """Numbers in a vector of the task's encoder, as far as its configuration tells."""
    if not stands_in(task):
        return task.encoder.dimensions
    if not is_here(task.encoder.model):
        return _STAND_IN_WIDTH
    config = json.loads((find_model(task.encoder.model, "encoder.model") / "config.json").read_text("utf-8"))
    said = next((config[name] for name in ("hidden_size", "d_model", "n_embd", "dim") if name in config), None)
    width = int(said or _STAND_IN_WIDTH)
    return min(width, task.encoder.dimensions) if task.encoder.static else width


def write(task: Task, look: Look, folder: Path, size: str) -> Path:
    """A task file on the samples of one size; its lake is `<folder>/lake-<size>`."""
    fields = task.model_dump(mode="json", exclude_unset=True, exclude=set(_DROPPED))
    rows = look.samples[size]
    fields |= {
        "name": f"plan-{size}",
        "lake": str(folder / f"lake-{size}"),
        "candidates": [_source(task, folder / f"pool-{size}.parquet") | {"source": "source", "domain": "domain"}],
        "target": _target(task, look, folder, size),
        "leakage": "drop" if task.leakage == "error" else task.leakage,
        "selection": {"selector": "got-d", "budget": _budget(task, look, size)},
        "encoder": _encoder(task, rows, size),
        "triage": _triage(task, look, size),
        "compare": [NONE, "random"],
        "seeds": 1,
    }
    if "general" in look.splits:
        fields["general"] = _source(task, folder / f"general-{size}.parquet")
    if size == SMALL:
        fields |= _few_steps(task, look)
    if not is_here(task.base_model.model):
        fields["base_model"] = {"model": "small", "objective": task.base_model.objective}
    path = folder / f"{size}.yaml"
    path.write_text(yaml.safe_dump(fields), "utf-8")
    return path


def _source(task: Task, path: Path) -> dict[str, Any]:
    vector = {"vector": "vector"} if task.encoder.model == BROUGHT else {}
    return {"path": str(path), "text": "text", **vector}


def _target(task: Task, look: Look, folder: Path, size: str) -> dict[str, Any]:
    found: dict[str, Any] = {"label": "label"} if look.labels and task.finetune.epochs else {}
    for split in ("train", "validation", "test", "negative"):
        path = folder / f"{split}-{size}.parquet"
        if split in look.splits:
            found[split] = _source(task, path) | (_as_pair(path) if task.target.is_of_pairs else {})
    return found


def _as_pair(path: Path) -> dict[str, Any]:
    rows = pl.read_parquet(path)
    parts = rows["text"].str.splitn(PAIR, 2).struct.rename_fields(["first", "second"]).struct.unnest()
    rows.with_columns(parts).write_parquet(path)
    return {"text": ["first", "second"]}


def _budget(task: Task, look: Look, size: str) -> dict[str, Any]:
    """In the large one the same share of the pool; in the small one what a few steps of warm-up take."""
    rows = look.samples[size]
    if size == SMALL:
        row = min(look.chars / look.rows, task.corpus.passage_chars)
        wanted = STEPS * task.warmup.batch_size * task.warmup.max_length * CHARS_A_TOKEN / row
        return {"rows": max(2, min(round(wanted), rows // 2))}
    budget, share = task.selection.budget, rows / look.rows
    if budget.fraction is not None:
        return {"fraction": budget.fraction}
    if budget.rows is not None:
        return {"rows": min(max(round(budget.rows * share), _FEWEST_PICKS), rows // 2)}
    return {"tokens": max(round((budget.tokens or 0) * share), 1)}


def _encoder(task: Task, rows: int, size: str) -> dict[str, Any]:
    if task.encoder.model == BROUGHT:
        return {"model": BROUGHT}
    wanted = _NARROW if size == SMALL else width_of(task)
    return {"model": LEXICAL, "dimensions": max(2, min(wanted, rows // 3))}


def _triage(task: Task, look: Look, size: str) -> dict[str, Any]:
    share = look.samples[size] / look.rows
    asked = {"keep": task.triage.keep} if task.triage.keep else {}
    return {**asked, "epsilon": task.triage.epsilon, "sample": max(2, round(task.triage.sample * share))}


def _few_steps(task: Task, look: Look) -> dict[str, Any]:
    base: dict[str, Any] = task.base_model.model_dump(mode="json", exclude_unset=True)
    row = min(look.chars / look.rows, task.corpus.passage_chars)
    length = max(task.warmup.max_length, task.finetune.max_length)
    small, head = task.base_model.small, task.base_model.head
    if task.base_model.model == "small":
        blocks = min(small.rows, look.samples[SMALL]) * row / CHARS_A_TOKEN / length
        epochs = min(small.epochs, STEPS * small.batch_size / max(blocks, 1))
        base["small"] = small.model_dump() | {"epochs": epochs}
    else:
        rows = STEPS * head.batch_size * task.warmup.max_length * CHARS_A_TOKEN / row
        base["head"] = head.model_dump() | {"rows": max(1, min(head.rows, round(rows))), "epochs": 1}
    finetune = task.finetune.model_dump(exclude_unset=True) | {"patience": None}
    if task.finetune.epochs:
        finetune["epochs"] = 1
    if look.labels:
        finetune["rows"] = STEPS * task.finetune.batch_size
    return {"base_model": base, "finetune": finetune}
