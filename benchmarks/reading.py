"""CPU seconds of reading a corpus as Parquet, JSON lines and CSV, in turn with another checkout.

    python benchmarks/reading.py ../shared --against FOLDER

FOLDER is another checkout of this project, which the same Python runs. The rows are `data/candidates.parquet`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
READ = """
import sys, time
from getmore_assets.config import Source
from getmore_assets.corpus import readers
source = Source(path=sys.argv[1], source="source", domain="domain")
began = time.process_time()
rows = sum(batch.height for batch in readers.read(source))
print(rows, time.process_time() - began)
"""


def seconds(checkout: Path, file: Path) -> tuple[int, float]:
    """Return the number of rows that a checkout reads from a file, and the CPU seconds."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", READ, str(file)]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    rows, cpu = done.stdout.split()
    return int(rows), float(cpu)


def main() -> None:
    """Measure both checkouts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--against", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    frame = pl.read_parquet(args.shared / "data" / "candidates.parquet")
    table = Table("format", "rows", "here, CPU s", "there, CPU s", "here / there", title=f"medians of {args.runs}")
    with tempfile.TemporaryDirectory() as folder:
        writers = {"parquet": frame.write_parquet, "jsonl": frame.write_ndjson, "csv": frame.write_csv}
        for suffix, write in writers.items():
            file = Path(folder) / f"pool.{suffix}"
            write(file)
            pairs = [(seconds(ROOT, file), seconds(args.against.absolute(), file)) for _ in range(args.runs)]
            (rows,) = {row for pair in pairs for row, _ in pair}
            here, there = (statistics.median(one for _, one in column) for column in zip(*pairs, strict=True))
            table.add_row(suffix, f"{rows:,}", f"{here:.2f}", f"{there:.2f}", f"{here / there:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
