r"""Near-duplicates beside other programs: rows per second on one core, and agreement with a comparison of all pairs.

python benchmarks/near_duplicates.py ../shared [--peers PYTHON] [--rows 8000] [--rounds 3] [--json FILE]

The rows are real passages, and copies of a tenth of them with some words replaced, so that many pairs are near the
threshold. A row is a copy if an earlier row has a Jaccard similarity of at least 0.9 (triples of words, `\w+`, lower
case). Seconds are CPU seconds (user and system), the least of the rounds; the programs take turns, because the machine
may be shared. Each program uses at most 64 hashes; programs that do not verify pairs get the bands with least error.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from near_duplicates_peers import PROGRAMS, triples
from rich.console import Console
from rich.table import Table
from scipy import sparse
from transport import machine

THRESHOLD, PLANTED = 0.9, 0.1


def texts_of(shared: Path, rows: int) -> list[str]:
    """Return passages, and copies of a tenth with one word in 100 to one in 8 changed, in random order."""
    pool = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"])["text"]
    rng = random.Random(0)  # noqa: S311 - not for cryptography
    texts = pool.sample(rows - int(rows * PLANTED), seed=0).to_list()
    vocabulary = " ".join(texts[:500]).split()
    for text in rng.sample(texts, int(rows * PLANTED)):
        words = text.split()
        for _ in range(max(1, round(len(words) * rng.choice([0.01, 0.015, 0.02, 0.03, 0.05, 0.12])))):
            words[rng.randrange(len(words))] = rng.choice(vocabulary)
        texts.append(" ".join(words))
    rng.shuffle(texts)
    return texts


def truth(texts: list[str]) -> np.ndarray:
    """Return whether each row is a copy, from a comparison of all pairs: `[rows]`."""
    sets = [sorted(set(triples(text))) for text in texts]
    numbers = {triple: number for number, triple in enumerate({triple for one in sets for triple in one})}
    columns = [numbers[triple] for one in sets for triple in one]
    sizes = np.array([len(one) for one in sets])
    matrix = sparse.csr_matrix((np.ones(len(columns), np.int32), columns, np.append(0, np.cumsum(sizes))))
    shared = (matrix @ matrix.T).tocoo()
    earlier = shared.col < shared.row
    row, other, both = shared.row[earlier], shared.col[earlier], shared.data[earlier]
    copies = np.zeros(len(texts), bool)
    copies[row[both >= THRESHOLD * (sizes[row] + sizes[other] - both)]] = True
    return copies


def measure(texts: list[str], peers: str | None, rounds: int) -> list[dict[str, Any]]:
    """Return a row of the table for each program."""
    right, runs = truth(texts), {}
    with tempfile.TemporaryDirectory() as folder:
        (work := Path(folder)).joinpath("texts.json").write_text(json.dumps(texts))
        for _ in range(rounds):
            for name in PROGRAMS if peers else ["ours"]:
                python = peers if peers and name != "ours" else sys.executable
                spec, result = work / "spec.json", work / "result.json"
                spec.write_text(
                    json.dumps({"program": name, "texts": str(work / "texts.json"), "threshold": THRESHOLD})
                )
                script = Path(__file__).with_name("near_duplicates_peers.py")
                done = subprocess.run([python, script, spec, result], capture_output=True, text=True, check=False)
                if done.returncode:
                    runs[name] = [{"failed": done.stderr.strip().split("\n")[-1]}]
                    continue
                runs.setdefault(name, []).append(json.loads(result.read_text()))
    return [row_of(name, of_program, right) for name, of_program in runs.items()]


def row_of(name: str, runs: list[dict[str, Any]], right: np.ndarray) -> dict[str, Any]:
    """Return the rate and the agreement of a program."""
    if "failed" in runs[0]:
        return {"program": name, **runs[0]}
    copies = np.zeros(len(right), bool)
    copies[runs[0]["copies"]] = True
    hits, seconds = int((copies & right).sum()), [run["seconds"] for run in runs]
    return {
        "program": name,
        "version": runs[0]["version"],
        "rows_a_second": len(right) / min(seconds),
        "seconds": seconds,
        "precision": hits / max(1, int(copies.sum())),
        "recall": hits / int(right.sum()),
        "marked": int(copies.sum()),
    }


def main() -> None:
    """Measure every program, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument(
        "--peers", help="Python of an environment with the other programs; without it, they are left out"
    )
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    args = parser.parse_args()
    texts = texts_of(args.shared, args.rows)
    rows = measure(texts, args.peers, args.rounds)
    table = Table("program", "version", "rows / s / core", "CPU s (rounds)", "precision", "recall")
    for row in rows:
        if "failed" in row:
            table.add_row(row["program"], "", row["failed"])
            continue
        seconds = ", ".join(f"{one:.2f}" for one in row["seconds"])
        agreement = [f"{row[name]:.3f}" for name in ("precision", "recall")]
        table.add_row(row["program"], row["version"], f"{row['rows_a_second']:,.0f}", seconds, *agreement)
    Console(width=140).print(table)
    copies = int(truth(texts).sum())
    print(f"{len(texts):,} rows, {copies} of them copies")
    if args.json:
        figures = {"rows": len(texts), "copies": copies, "threshold": THRESHOLD, **machine(), "programs": rows}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
