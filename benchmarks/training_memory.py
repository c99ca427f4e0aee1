"""The peak memory of a training at the shape of a large model, beside what was planned for it.

python benchmarks/training_memory.py [--shape 1.1b] [--weights bfloat16] [--lora 8] [--rows 2] [--length 128]
    [--gradient-checkpointing] [--json FILE]

Two steps on random tokens, with random weights: a process of its own, which holds the model and nothing else.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from transport import machine

from getmore_assets.config import Lora, Training

SHAPES: dict[str, dict[str, int]] = {  # of SmolLM2, TinyLlama and Mistral 7B
    "135m": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
    "1.1b": {
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
    },
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
}
VOCABULARY, STEPS = 32_000, 2


class Tokens(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Rows of random tokens."""

    def __init__(self, rows: int, length: int) -> None:
        self._ids = torch.randint(VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._ids[index], "labels": self._ids[index]}


def random_shape(shape: str) -> Any:
    """The model without numbers, on the device of the context."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, **SHAPES[shape]))


def random_model(shape: str, dtype: torch.dtype) -> Any:
    """A causal model with random weights, made in the dtype that it is held in."""
    torch.set_default_dtype(dtype)
    with torch.device("meta"):
        model = random_shape(shape)
    torch.set_default_dtype(torch.float32)
    model.to_empty(device="cpu")
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)  # no weights: computed from the configuration
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0) if "norm" in name else weight.normal_(0, 0.02)
    return model


def measure(shape: str, recipe: Training) -> dict[str, Any]:
    """Plan and measure a training in this process."""
    from transformers import default_data_collator

    from getmore_assets.training import adapters, memory
    from getmore_assets.training.fit import fit

    with torch.device("meta"):
        planned_on = random_shape(shape)
        planned_on = adapters.put_on(planned_on, recipe.lora) if recipe.lora else planned_on
    planned = memory.plan(planned_on, recipe)
    del planned_on
    before = psutil.Process().memory_info().rss
    model = random_model(shape, torch.bfloat16 if recipe.weights == "bfloat16" else torch.float32)
    rows = Tokens(STEPS * recipe.batch_size, recipe.max_length)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        done = fit(model, rows, recipe, 0, Path(work), default_data_collator, name=shape)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {
        "parameters": model.num_parameters(),
        "planned_gib": planned.training / memory.GIB,
        "held_gib": peak / memory.GIB,
        "ratio": peak / planned.training,
        "parts_gib": {name: getattr(planned, name) / memory.GIB for name in ("weights", "gradients", "optimizer")},
        "activations_gib": planned.activations / memory.GIB,
        "loss": done.curve[-1]["loss"],
        "steps": done.steps,
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    """Measure in a process of its own, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=list(SHAPES), default="1.1b")
    parser.add_argument("--weights", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--lora", type=int, default=8, help="rank; 0 trains all weights")
    parser.add_argument("--rows", type=int, default=2, help="of a batch")
    parser.add_argument("--length", type=int, default=128, help="tokens of a row")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--json", type=Path, help="add the row here")
    given = parser.parse_args()
    recipe = Training(
        batch_size=given.rows,
        max_length=given.length,
        weights=given.weights,
        dtype="auto" if given.weights == "bfloat16" else "float32",
        gradient_checkpointing=given.gradient_checkpointing,
        lora=Lora(rank=given.lora) if given.lora else None,
    )
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(measure, (given.shape, recipe))
    asked = {"shape": given.shape, "weights": given.weights, "lora": given.lora}
    asked |= {"rows": given.rows, "length": given.length, "gradient_checkpointing": given.gradient_checkpointing}
    row = {**asked, **found}
    print(json.dumps(row, indent=1))
    if given.json:
        rows = json.loads(given.json.read_text("utf-8"))["rows"] if given.json.is_file() else []
        about = {name: value for name, value in machine().items() if name != "peers"}
        given.json.write_text(json.dumps({**about, "rows": [*rows, row]}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
