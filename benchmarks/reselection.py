"""Time of `getmore select` after a change of pool or target, beside the first selection.

python benchmarks/reselection.py ../shared [--encoder lexical] [--sample 40000] [--rounds 3] [--json FILE] [--quick]

New rows are real: a tenth of ChemProt train and a hundredth of the pool are held back, to replace other rows or to be
appended. Each change starts from the same state, which is restored and selected again after the change.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from getmore_assets.lake import Lake
from getmore_assets.records import Records


class Bench:
    """A task in a folder of its own, and the rows that are held back."""

    def __init__(self, shared: Path, folder: Path, encoder: str, sample: int | None) -> None:
        self.folder, data = folder, shared.absolute() / "data"
        pool = pl.read_parquet(data / "candidates.parquet").sample(fraction=1, shuffle=True, seed=0)
        pool = pool.head(sample) if sample else pool
        self.held_pool, self.pool = pool.head(pool.height // 100), pool.tail(-(pool.height // 100))
        lines = (data / "chemprot.train.jsonl").read_text("utf-8").splitlines()
        cut = len(lines) - len(lines) // 10
        self.train, self.held = lines[:cut], lines[cut:]
        splits = {"validation": "dev", "test": "test"}
        self.fields: dict[str, Any] = {
            "name": "reselection",
            "lake": str(folder / "lake"),
            "candidates": [
                {"path": str(folder / "pool"), "source": "source", "domain": "domain"},
            ],
            "target": {
                "train": str(folder / "train.jsonl"),
                "label": "label",
                **{split: str(data / f"chemprot.{name}.jsonl") for split, name in splits.items()},
            },
            "encoder": {"model": encoder, "max_length": 128} if encoder != "lexical" else {"model": encoder},
            "selection": {"budget": {"rows": min(5000, pool.height // 20)}},
        }
        (folder / "pool").mkdir()
        (folder / "task.yaml").write_text(yaml.safe_dump(self.fields), "utf-8")
        self.pool.write_parquet(folder / "pool/a.parquet")
        self.reset()

    def reset(self) -> None:
        """Restore the first state of the files."""
        self.set_train(self.train)
        (self.folder / "pool/b.parquet").unlink(missing_ok=True)

    def set_train(self, lines: list[str]) -> None:
        """Write the target's train split."""
        (self.folder / "train.jsonl").write_text("\n".join(lines) + "\n", "utf-8")

    def exchange(self, share: float) -> None:
        """Replace a share of train by held-back rows."""
        count = round(share * len(self.train))
        self.set_train(self.train[count:] + self.held[:count])

    def append(self) -> None:
        """Append the held-back rows to the pool."""
        self.held_pool.write_parquet(self.folder / "pool/b.parquet")

    def candidates_with_vectors(self) -> int:
        """Return how many rows of the pool have a vector."""
        lake = Lake(self.folder / "lake")
        vectors = lake.latest("embeddings")
        if vectors is None:
            return 0
        pool = pl.scan_delta(lake.table("raw_corpus")).select("id").collect()
        return vectors.scan().select("id").collect().join(pool, on="id", how="semi").height

    def select(self, *overrides: str) -> dict[str, Any]:
        """Run the command, and return its wall seconds, materialized stages, encoded rows and decision."""
        before, began = self.candidates_with_vectors(), time.monotonic()
        command = [sys.executable, "-m", "getmore_assets.cli", "select", str(self.folder / "task.yaml"), *overrides]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            sys.exit(done.stderr)
        stages = json.loads(done.stdout.splitlines()[-1])["stages"]
        materialized = {s["name"]: s["seconds"] for s in stages if s["status"] == "materialized"}
        records = Records(Lake(self.folder / "lake"), "reselection")
        potentials, subset = records.get("ot_potentials"), records.get("selected_subset")
        assert potentials is not None and subset is not None
        return {
            "seconds": seconds,
            "made": materialized,
            "encoded_candidates": self.candidates_with_vectors() - before,
            "decision": potentials.facts["decision"] if "ot_potentials" in materialized else "reused",
            "jaccard": subset.facts.get("change_jaccard") if "selected_subset" in materialized else None,
            "hash": subset.data_version,
            "peak_mib": max((s["peak_rss_mb"] for s in stages if s["status"] == "materialized"), default=0.0),
        }


CHANGES: dict[str, tuple[Callable[[Bench, int], None], list[str]]] = {
    "nothing changed": (lambda _bench, _n: None, []),
    "1 % of the target": (lambda bench, n: bench.exchange(0.01 + 0.001 * n), []),
    "the same, drift.rows=0.05": (lambda bench, n: bench.exchange(0.0105 + 0.001 * n), ["drift.rows=0.05"]),
    "10 % of the target": (lambda bench, n: bench.exchange(0.1 - 0.001 * n), []),
    "1 % of the pool appended": (lambda bench, _n: bench.append(), []),
}


def measure(bench: Bench, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Select once in a new lake, then after each change, from the same state."""
    runs: dict[str, list[dict[str, Any]]] = {"cold": [bench.select()]}
    first = runs["cold"][0]["hash"]

    def note(name: str, run: dict[str, Any]) -> None:
        runs.setdefault(name, []).append(run)
        print(f"{name} {run['seconds']:.1f} s", flush=True)

    for number in range(rounds):
        for name, (change, overrides) in CHANGES.items():
            if "appended" in name and number:
                continue  # the lake has the vectors now, so a second time would encode nothing
            change(bench, number)
            note(name, bench.select(*overrides))
            if name != "nothing changed":
                bench.reset()
                back = bench.select()
                assert back["hash"] == first, f"{name}: another selection after going back"
                note("target back at an earlier version" if "target" in name else "pool or gate back", back)
    return runs


def table(runs_by_name: dict[str, list[dict[str, Any]]]) -> None:
    """Print the median of each change, and its share of the first selection's seconds."""
    cold = runs_by_name["cold"][0]["seconds"]
    print(
        f"\n{'change':36} {'N':>2} {'seconds':>8} {'of cold':>8} {'encoded':>8}  decision, Jaccard with the last choice"
    )
    for name, runs in runs_by_name.items():
        seconds, last = statistics.median(run["seconds"] for run in runs), runs[-1]
        encoded = "/".join(str(n) for n in sorted({run["encoded_candidates"] for run in runs}))
        said = last["decision"] + ("" if last["jaccard"] is None else f", {last['jaccard']:.3f}")
        print(f"{name:36} {len(runs):2} {seconds:8.1f} {seconds / cold:8.1%} {encoded:>8}  {said}")


def main() -> None:
    """Measure every change, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--encoder", default="lexical")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    sample, rounds = (3000, 1) if args.quick else (args.sample, args.rounds)
    folder = Path(tempfile.mkdtemp(prefix="getmore-reselection-"))
    runs = measure(Bench(args.shared, folder, args.encoder, sample), rounds)
    table(runs)
    if args.json:
        figures = {"encoder": args.encoder, "sample": sample, **runs}
        args.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
