"""Speed and memory of training when the worker keeps freed memory instead of returning it to the system.

python benchmarks/kept_memory.py ../shared [--steps 8] [--rounds 3] [--json FILE] [--quick]

A warm-up of the language model in `shared/models` (causal) and of MiniLM (masked), on real passages, alternately with
the allocator settings that `launch.py` gives a training worker, and with glibc's defaults.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from transport import machine

from getmore_assets import launch
from getmore_assets.models import find_model

RECIPES = {
    "causal": {"batch_size": 16, "max_length": 256},
    "masked": {"batch_size": 32, "max_length": 128},
}


def train(shared: Path, objective: str, steps: int) -> dict[str, float]:
    """Train in this process; return tokens per CPU second, the system's share of it, and peak memory."""
    import polars as pl

    from getmore_assets.config import Training
    from getmore_assets.training import language_models, phases

    recipe = Training(epochs=1, learning_rate=1e-4, **RECIPES[objective])
    folder = shared / "models/pool-gpt2" if objective == "causal" else find_model("minilm", "base_model.model")
    model, tokenizer, _ = language_models.load(folder, objective)
    texts = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"])["text"].head(20_000).to_list()
    before = resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as work:
        blocks, _ = phases.warm_up(
            model, tokenizer, objective, texts, recipe, 0, steps * recipe.batch_size, Path(work) / "checkpoints"
        )
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "tokens_a_second": blocks.tokens / (user + system),
        "system_share": system / (user + system),
        "peak_mib": after.ru_maxrss / 1024,
    }


def measure(shared: Path, objective: str, steps: int, kept: bool) -> dict[str, float]:
    """Run `train` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    if kept:
        environment |= launch.settings("train")
    command = [sys.executable, __file__, str(shared), "--steps", str(steps), "--child", objective]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Measure both settings, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="two steps, one round")
    parser.add_argument("--child", choices=list(RECIPES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(args.shared, args.child, args.steps)))
        return
    steps, rounds = (2, 1) if args.quick else (args.steps, args.rounds)
    rows: list[dict[str, Any]] = []
    table = Table("model", "kept", "tokens a CPU second", "of it in the system", "peak MiB", "ratio")
    for objective in RECIPES:
        runs = [(kept, measure(args.shared, objective, steps, kept)) for _ in range(rounds) for kept in (False, True)]
        medians = {
            kept: {name: median(run[name] for setting, run in runs if setting == kept) for name in runs[0][1]}
            for kept in (False, True)
        }
        for kept, one in medians.items():
            ratio = one["tokens_a_second"] / medians[False]["tokens_a_second"]
            rows.append({"objective": objective, "kept": kept, "ratio": ratio, **one})
            figures = [f"{one['tokens_a_second']:,.0f}", f"{one['system_share']:.0%}", f"{one['peak_mib']:,.0f}"]
            table.add_row(objective, "yes" if kept else "no", *figures, f"{ratio:.2f}")
    Console(width=120).print(table)
    if args.json:
        about = {**{name: value for name, value in machine().items() if name != "peers"}, "steps": steps}
        args.json.write_text(json.dumps({**about, "rounds": rounds, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
