"""CPU seconds of processes that do no work: help, a refused task file, the code location, a run with nothing to do.

    python benchmarks/starting.py --against FOLDER [--task TASK.yaml]

FOLDER is another checkout with an environment in `.venv`; the two checkouts take turns. TASK.yaml is a task that both
have run, each in its own lake (`lake` is relative to the checkout); without it, the last row is left out.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]


def seconds(checkout: Path, arguments: list[str]) -> float:
    """Return the CPU seconds, user and system, of a Python process in a checkout, with its children."""
    before = os.times()
    environment = {**os.environ, "PYTHONPATH": str(checkout), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    command = [str(checkout / ".venv" / "bin" / "python"), *arguments]
    subprocess.run(command, cwd=checkout, env=environment, capture_output=True, check=False)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    """Measure both checkouts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True)
    parser.add_argument("--task")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as bad:
        bad.write("warmpu: {}\n")
        bad.flush()
        command = ["-m", "getmore_assets.cli"]
        rows = {
            "getmore --help": [*command, "--help"],
            "a refused task file": [*command, "run", bad.name],
            "the code location": ["-c", "import getmore_assets.definitions"],
        }
        if args.task:
            rows["run with nothing to do"] = [*command, "run", args.task]
        table = Table(
            "process", "here, CPU s", "there, CPU s", "here / there", title=f"medians of {args.runs}, in turn"
        )
        for name, arguments in rows.items():
            pairs = [(seconds(ROOT, arguments), seconds(args.against, arguments)) for _ in range(args.runs)]
            here, there = (statistics.median(column) for column in zip(*pairs, strict=True))
            table.add_row(name, f"{here:.2f}", f"{there:.2f}", f"{here / there:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
