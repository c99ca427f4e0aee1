"""Select by topic in every script, with the encoder that `getmore init` proposes.

    python -m tests.drives.scripts --out scripts.json

The pool of each script has 400 texts, 50 of them on the target's subject. As many rows are compared as are on the
subject and eligible (some are near copies, or overlap the test split). The exit code is 1 if more than three of the
picks are on the other subject.
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

from getmore_assets.corpus.identity import content_id
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


def selected(script: str, home: Path) -> tuple[str, int, int]:
    """Run `init` and `select` on the files of a script.

    Returns:
        The proposed encoder, the number of picks on the subject, and the number of eligible rows on the subject.
    """
    pool = [written(script, int(n % (POOL // ON_TOPIC) != 0), n) for n in range(POOL)]
    files = [_write(home / "pool.jsonl", pool)]
    for split, (start, rows) in SPLITS.items():
        files.append(_write(home / f"{split}.jsonl", [written(script, 0, start + n) for n in range(rows)]))
    task = home / "task.yaml"
    _run("init", *files, "--target", files[1], "--to", str(task))
    changes = [f"lake={home / 'lake'}", f"selection.budget.rows={ON_TOPIC}", "corpus.held_out=0"]
    _run("select", str(task), *changes)
    subject = [content_id(text) for n, text in enumerate(pool) if n % (POOL // ON_TOPIC) == 0]
    ledger = pl.read_delta(str(home / "lake" / "tables" / "row_ledger"))
    eligible = ledger.filter(pl.col("id").is_in(subject) & (pl.col("decision") != "excluded")).height
    chosen = pl.read_parquet(next((home / "lake").rglob("selected.parquet"))).head(eligible)
    proposed = yaml.safe_load(task.read_text("utf-8")).get("encoder", {}).get("model", "minilm")
    return proposed, chosen["id"].is_in(subject).sum(), eligible


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    args, results = parser.parse_args(), {}
    for script in SCRIPTS:
        with tempfile.TemporaryDirectory() as home:
            results[script] = selected(script, Path(home))
    table = Table("script", "encoder proposed", "rows on the subject", "of as many picks", "", title="scripts")
    held = {script: picked >= eligible - FEWER for script, (_, picked, eligible) in results.items()}
    for script, (encoder, picked, eligible) in results.items():
        table.add_row(script, encoder, str(eligible), str(picked), "held" if held[script] else "FAILED")
    Console(width=100).print(table)
    if args.out:
        names = ("encoder", "picks on the subject", "rows on the subject")
        rows = {script: dict(zip(names, one, strict=True)) for script, one in results.items()}
        args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return int(not all(held.values()))


if __name__ == "__main__":
    sys.exit(main())
