"""Topical selection in every script, with the encoder that `getmore init` proposes.

    python -m tests.drives.scripts --out scripts.json

In each script a pool of 400 texts, 50 of them on the target's subject, from `init` to the 50 rows that are selected.
The exit code is 1 where fewer are on the subject than of English, less three.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import polars as pl
import yaml
from rich.console import Console
from rich.table import Table

from tests.conftest import getmore_process
from tests.scripts import SCRIPTS, written

POOL, ON_TOPIC, FEWER = 400, 50, 3
SPLITS = {"train": (1000, 150), "validation": (2000, 20), "test": (3000, 20)}


def _write(path: Path, texts: list[str]) -> str:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return str(path)


def _run(*arguments: str) -> None:
    done = getmore_process(*arguments)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")


def selected(script: str, home: Path) -> tuple[str, int]:
    """Go from files to a selection; the encoder that was proposed, and how many rows are on the subject."""
    pool = [written(script, int(n % (POOL // ON_TOPIC) != 0), n) for n in range(POOL)]
    files = [_write(home / "pool.jsonl", pool)]
    for split, (start, rows) in SPLITS.items():
        files.append(_write(home / f"{split}.jsonl", [written(script, 0, start + n) for n in range(rows)]))
    task = home / "task.yaml"
    _run("init", *files, "--target", files[1], "--to", str(task))
    changes = (f"lake={home / 'lake'}", f"selection.budget.rows={ON_TOPIC}", "corpus.held_out=0")
    _run("select", str(task), *changes)
    (chosen,) = (home / "lake").rglob("selected.parquet")
    subject = {text for n, text in enumerate(pool) if n % (POOL // ON_TOPIC) == 0}
    proposed = yaml.safe_load(task.read_text("utf-8")).get("encoder", {}).get("model", "minilm")
    return proposed, pl.read_parquet(chosen)["text"].is_in(list(subject)).sum()


def main() -> int:
    """Select in every script and compare with English."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    asked, found = parser.parse_args(), {}
    for script in SCRIPTS:
        with tempfile.TemporaryDirectory() as home:
            found[script] = selected(script, Path(home))
    least = found["English"][1] - FEWER
    table = Table("script", "encoder proposed", f"on the subject, of {ON_TOPIC}", "", title="scripts")
    for script, (encoder, rows) in found.items():
        table.add_row(script, encoder, str(rows), "held" if rows >= least else "FAILED")
    Console(width=100).print(table)
    if asked.out:
        rows = {script: {"encoder": encoder, "on the subject": rows} for script, (encoder, rows) in found.items()}
        asked.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return int(any(rows < least for _, rows in found.values()))


if __name__ == "__main__":
    sys.exit(main())
