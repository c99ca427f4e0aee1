"""The results of a drive, as a table on the terminal and a JSON file.

Belongs here: printing and writing results. Does not: judging (`judge.py`).
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.drives.command import REPO
from tests.drives.judge import Result


def show(title: str, results: Sequence[Result], seconds: float) -> None:
    """Print a row for each result, and the counts."""
    table = Table("case", "when", "the disturbed run said", "exit", "seconds", "reused", "outcome", title=title)
    for one in results:
        numbers = ("" if value is None else str(value) for value in (one.code, one.seconds, one.reused))
        table.add_row(one.fault, one.when, one.said[:200], *numbers, one.outcome)
    Console(width=200, soft_wrap=False, markup=False).print(table, markup=False)
    failed, skipped = ([one for one in results if getattr(one, kind)] for kind in ("wrong", "skipped"))
    print(f"{len(results)} {title} in {seconds / 60:.0f} min: {len(results) - len(failed) - len(skipped)} held", end="")
    print(f", {len(failed)} failed, {len(skipped)} skipped", flush=True)
    for one in failed:
        print(f"  {one.fault}: {one.outcome}; kept in {one.lake}", flush=True)


def end(title: str, results: Sequence[Result], seconds: float, home: Path) -> int:
    """Show the results and return the exit code; `home` is deleted unless a result failed."""
    show(title, results, seconds)
    if any(one.wrong for one in results):
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


def keep(out: Path, title: str, results: Sequence[Result], home: Path, **beside: Any) -> None:
    """Add results to a JSON file; the file's results of other cases are kept.

    Args:
        out: The file.
        title: The field of the results.
        results: The results of this drive.
        home: The folder of the lakes, which is replaced by … in the file.
        beside: Other fields.
    """
    before = json.loads(out.read_text("utf-8")).get(title, []) if out.is_file() else []
    commit = subprocess.run(
        ["git", "-C", str(REPO), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    rows = {row["fault"]: row for row in before}
    rows |= {one.fault: {**asdict(one), "outcome": one.outcome, "commit": commit.stdout.strip()} for one in results}
    text = json.dumps({**beside, title: list(rows.values())}, indent=1, ensure_ascii=False)
    out.write_text(text.replace(str(home), "…") + "\n", "utf-8")
