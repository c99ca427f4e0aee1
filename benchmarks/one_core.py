"""CPU seconds of the parts of a selection on one core, in turn with an earlier checkout of this project.

python benchmarks/one_core.py ../shared --before CHECKOUT [--rows 16384] [--rounds 3] [--json FILE]

Each part runs in a process of its own on one thread, with the package of one checkout. The table shows the least CPU
seconds (user and system) of the rounds, for a million rows; for the fit, of one fit. `transport.py` measures the solve.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

BATCH, SHARD, DIMENSIONS = 8192, 1024, 256
Part = Callable[[pl.DataFrame, Path], Callable[[], Any]]


def near_duplicates(rows: pl.DataFrame, _: Path) -> Callable[[], Any]:
    """Return the function that marks near-duplicates, in the pool's batches."""
    from getmore_assets.corpus.duplicates import NearDuplicates

    try:
        from getmore_assets.corpus.shingles import Shingles

        sketches: Callable[[pl.Series], Any] = Shingles.of
    except ImportError:
        from getmore_assets.corpus.duplicates import signatures

        def sketches(texts: pl.Series) -> Any:
            return signatures(texts.to_list())

    def run() -> None:
        near = NearDuplicates(0.9)
        for batch in rows.iter_slices(BATCH):
            near.mark(batch["id"].to_list(), sketches(batch["text"]))

    return run


def leakage(rows: pl.DataFrame, shared: Path) -> Callable[[], Any]:
    """Return the function that finds overlaps with ChemProt's test split."""
    from getmore_assets.corpus.leakage import Guard

    test = pl.read_ndjson(shared / "data/chemprot.test.jsonl").select("text").with_row_index("id")
    guard = Guard(test.select(pl.col("id").cast(pl.String), pl.lit("test").alias("split"), "text"))
    return lambda: [guard.leaks(batch) for batch in rows.iter_slices(BATCH)]


def lexical_encoding(rows: pl.DataFrame, _: Path) -> Callable[[], Any]:
    """Return the function that encodes all rows in shards, with an encoder fitted on the first 2,000 rows."""
    from getmore_assets.encoders.lexical import LexicalEncoder

    encoder = LexicalEncoder.fitted(rows["text"].head(2000).to_list(), DIMENSIONS)
    return lambda: [encoder.encode(shard["text"].to_list()) for shard in rows.iter_slices(SHARD)]


def lexical_fit(rows: pl.DataFrame, _: Path) -> Callable[[], Any]:
    """Return the function that fits 256 dimensions on all rows."""
    from getmore_assets.encoders.lexical import LexicalEncoder

    return lambda: LexicalEncoder.fitted(rows["text"].to_list(), DIMENSIONS)


def writing_vectors(rows: pl.DataFrame, _: Path) -> Callable[[], Any]:
    """Return the function that writes the vectors of all rows to the table, in shards."""
    import tempfile

    from getmore_assets.encoders import store
    from getmore_assets.lake import Lake

    vectors = np.random.default_rng(0).normal(size=(SHARD, DIMENSIONS)).astype(np.float32)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            if hasattr(store, "Writer"):
                with store.Writer(Lake(folder), "e", {}) as writer:
                    for shard in rows.iter_slices(SHARD):
                        writer.add(shard["id"].to_list(), vectors[: shard.height])
            else:
                for shard in rows.iter_slices(SHARD):
                    store.add(Lake(folder), "e", shard["id"].to_list(), vectors[: shard.height], {})

    return run


PARTS: dict[str, Part] = {
    f.__name__: f for f in (near_duplicates, leakage, lexical_encoding, lexical_fit, writing_vectors)
}
ONCE = ("lexical_fit",)


def rows_of(shared: Path, count: int) -> pl.DataFrame:
    """Return passages with ids."""
    pool = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"]).sample(count, seed=0)
    return pool.with_columns(id=pl.Series([f"{number:032x}" for number in range(count)]))


def one(name: str, shared: Path, count: int) -> float:
    """Return the CPU seconds of a part, after a first run on a few rows, which imports its modules."""
    rows = rows_of(shared, count)
    if name not in ONCE:
        PARTS[name](rows.head(4096), shared)()
    run = PARTS[name](rows, shared)
    began = time.process_time()
    run()
    return time.process_time() - began


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every part with both checkouts in turn, and return the rows of the table."""
    seconds: dict[str, dict[str, list[float]]] = {name: {"before": [], "after": []} for name in PARTS}
    checkouts = {"before": args.before.absolute(), "after": Path(__file__).absolute().parents[1]}
    for _ in range(args.rounds):
        for name, found in seconds.items():
            for when, checkout in checkouts.items():
                options = ["--rows", str(args.rows), "--part", name]
                command = [sys.executable, __file__, str(args.shared.absolute()), *options]
                threads = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
                environment = {**os.environ, **threads, "PYTHONPATH": str(checkout)}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                found[when].append(float(done.stdout.split()[-1]))
    table = []
    for name, found in seconds.items():
        scale = 1.0 if name in ONCE else 1e6 / args.rows
        before, after = (min(found[when]) * scale for when in checkouts)
        table.append({"part": name, "before": before, "after": after, "times": before / after, "rounds": found})
    return table


def main() -> None:
    """Measure both checkouts, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", help="run only this part, and print its seconds")
    parser.add_argument("--json", type=Path, help="write the rows here")
    args = parser.parse_args()
    if args.part:
        print(one(args.part, args.shared, args.rows))
        return
    rows = measure(args)
    table = Table("part", "before, CPU s", "after, CPU s", "times")
    for row in rows:
        table.add_row(row["part"], f"{row['before']:.1f}", f"{row['after']:.1f}", f"{row['times']:.1f}")
    Console(width=120).print(table)
    if args.json:
        args.json.write_text(json.dumps({"rows": args.rows, "parts": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
