"""The state of optimizer and schedule in a checkpoint: safetensors and JSON, whole, whatever the number of processes.

Belongs here: writing and reading it. Does not: when checkpoints are written (`trainer.py`), or weights (the Trainer).
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from getmore_assets.ranks import is_first

FILE = "optimizer.safetensors"
_SETTINGS = "optimizer.json"


def write(optimizer: Any, schedule: Any, folder: Path) -> None:
    """Write the states, in the process of rank 0; every process must call this, as shards are gathered.

    Args:
        optimizer: Its weights are tensors, or shards of tensors (DTensor).
        schedule: The schedule of the learning rate.
        folder: The checkpoint.
    """
    state, tensors = optimizer.state_dict(), {}
    for at, values in state["state"].items():
        for name, value in values.items():
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            if is_first():
                tensors[f"{at}.{name}"] = whole.cpu().contiguous()
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / FILE)
        settings = {"param_groups": state["param_groups"], "schedule": schedule.state_dict()}
        (folder / _SETTINGS).write_text(json.dumps(settings), "utf-8")


def read(optimizer: Any, schedule: Any, folder: Path) -> None:
    """Give optimizer and schedule the states of a checkpoint; each process keeps the shards of its own weights."""
    settings = json.loads((folder / _SETTINGS).read_text("utf-8"))
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    with safe_open(folder / FILE, framework="pt") as opened:
        for key in opened.keys():  # noqa: SIM118 - not a dictionary
            at, _, name = key.partition(".")
            state.setdefault(int(at), {})[name] = _like(weights[int(at)], opened.get_tensor(key))
    optimizer.load_state_dict({"state": state, "param_groups": settings["param_groups"]})
    schedule.load_state_dict(settings["schedule"])


def _like(weight: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return this process's shard of a whole tensor; the whole tensor if the weight is not sharded."""
    if not isinstance(weight, DTensor) or not whole.dim():
        return whole
    here = whole.to(weight.device)
    return distribute_tensor(here, weight.device_mesh, weight.placements, src_data_rank=None)
