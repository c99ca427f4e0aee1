"""Read 2,000 damaged files of all formats.

    python -m tests.drives.fuzz_readers --files 2000 --out fuzz.json

Each file is read with `bad_rows: error`, with `skip`, and with whole rows, in a process that has 20 s for a file. The
exit code is 1 if a reader raises another exception than a refusal, a process hangs or dies, or a text is read that is
in no input. Texts are compared for formats with a checksum and for cut files, except the last row of CSV, TSV and text:
a flipped bit of plain text cannot be detected.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.corpus.mutations import WAYS, WRITERS, damaged, outcome, written

LONGEST_S = 20
FINE = ("read", "refused", "other text")


def _serve(pipe: Connection, whole: Path, folder: Path) -> None:
    while (seed := pipe.recv()) is not None:
        path, kind = damaged(whole, folder, seed)
        pipe.send([path.name, kind, *(outcome(path, kind, **way) for way in WAYS)])


class _Worker:
    """A process that reads damaged files, started again if it hangs or dies."""

    def __init__(self, whole: Path, folder: Path) -> None:
        self.whole, self.folder = whole, folder
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, self.whole, self.folder), daemon=True)
        self.process.start()
        other_end.close()

    def ask(self, seed: int) -> list[str]:
        self.pipe.send(seed)
        try:
            if self.pipe.poll(LONGEST_S):
                return self.pipe.recv()
            failure = "hang"
        except EOFError:
            self.process.join()
            failure = f"died with {self.process.exitcode}"
        self.process.kill()
        self.process.join()
        self._begin()
        return [list(WRITERS)[seed % len(WRITERS)], "?", *([failure] * len(WAYS))]


def main() -> int:
    """Read the files, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    args = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    failed = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "damaged"
        folder.mkdir()
        (Path(home) / "whole").mkdir()
        worker = _Worker(written(Path(home) / "whole"), folder)
        for seed in range(args.first, args.first + args.files):
            name, kind, *outcomes = worker.ask(seed)
            for one in outcomes:
                counts[name, one if one in FINE else "failed"] += 1
            if any(one not in FINE for one in outcomes):
                failed.append({"seed": seed, "file": name, "damage": kind, "said": outcomes})
        worker.pipe.send(None)
    columns = [*FINE, "failed"]
    table = Table("format", *columns, title=f"{args.files} damaged files, each read three ways")
    rows = {name: {column: counts[name, column] for column in columns} for name in WRITERS}
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:,}" for column in columns))
    Console(width=100).print(table)
    for one in failed:
        print(json.dumps(one, ensure_ascii=False))
    if args.out:
        results = {"files": args.files, "first seed": args.first, "formats": rows, "failed": failed}
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
