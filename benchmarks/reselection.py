"""What a change costs, beside making everything: cold against warm, to the selected subset, by `getmore select`.

python benchmarks/reselection.py ../shared [--encoder lexical] [--sample 40000] [--rounds 3] [--json FILE] [--quick]

Rows that come are real: a tenth of ChemProt train and a hundredth of the pool are held back, and take the place of
others, or are appended. Each change starts from the same state, to which files and selection go back after it.
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
    """A task in a folder of its own, and the rows held back."""

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
        """The files as they were at first."""
        self.set_train(self.train)
        (self.folder / "pool/b.parquet").unlink(missing_ok=True)

    def set_train(self, lines: list[str]) -> None:
        """Write the target's train split."""
        (self.folder / "train.jsonl").write_text("\n".join(lines) + "\n", "utf-8")

    def exchange(self, share: float) -> None:
        """Put held-back rows in the place of this share of train."""
        count = round(share * len(self.train))
        self.set_train(self.train[count:] + self.held[:count])

    def append(self) -> None:
        """Add the rows of the pool that were held back."""
        self.held_pool.write_parquet(self.folder / "pool/b.parquet")

    def candidates_with_vectors(self) -> int:
        """How many rows of the pool have a vector."""
        lake = Lake(self.folder / "lake")
        vectors = lake.latest("embeddings")
        if vectors is None:
            return 0
        pool = pl.scan_delta(lake.table("raw_corpus")).select("id").collect()
        return vectors.scan().select("id").collect().join(pool, on="id", how="semi").height

    def select(self, *overrides: str) -> dict[str, Any]:
        """Run the command; wall seconds, what was made, encoded and decided."""
        before, began = self.candidates_with_vectors(), time.monotonic()
        command = [sys.executable, "-m", "getmore_assets.cli", "select", str(self.folder / "task.yaml"), *overrides]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            sys.exit(done.stderr)
        stages = json.loads(done.stdout.splitlines()[-1])["stages"]
        made = {s["name"]: s["seconds"] for s in stages if s["status"] == "materialized"}
        records = Records(Lake(self.folder / "lake"), "reselection")
        potentials, subset = records.get("ot_potentials"), records.get("selected_subset")
        assert potentials is not None and subset is not None
        return {
            "seconds": seconds,
            "made": made,
            "encoded_candidates": self.candidates_with_vectors() - before,
            "decision": potentials.facts["decision"] if "ot_potentials" in made else "reused",
            "jaccard": subset.facts.get("change_jaccard") if "selected_subset" in made else None,
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
    """Cold once, then the changes in turn, each from the same state."""
    found: dict[str, list[dict[str, Any]]] = {"cold": [bench.select()]}
    first = found["cold"][0]["hash"]

    def note(name: str, run: dict[str, Any]) -> None:
        found.setdefault(name, []).append(run)
        print(f"{name} {run['seconds']:.1f} s", flush=True)

    for number in range(rounds):
        for name, (change, overrides) in CHANGES.items():
            if "appended" in name and number:
                continue  # its vectors are there now: a second time would encode nothing
            change(bench, number)
            note(name, bench.select(*overrides))
            if name != "nothing changed":
                bench.reset()
                back = bench.select()
                assert back["hash"] == first, f"{name}: another selection after going back"
                note("target back at an earlier version" if "target" in name else "pool or gate back", back)
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians beside cold."""
    cold = found["cold"][0]["seconds"]
    print(
        f"\n{'change':36} {'N':>2} {'seconds':>8} {'of cold':>8} {'encoded':>8}  decision, Jaccard with the last choice"
    )
    for name, runs in found.items():
        seconds, last = statistics.median(run["seconds"] for run in runs), runs[-1]
        encoded = "/".join(str(n) for n in sorted({run["encoded_candidates"] for run in runs}))
        said = last["decision"] + ("" if last["jaccard"] is None else f", {last['jaccard']:.3f}")
        print(f"{name:36} {len(runs):2} {seconds:8.1f} {seconds / cold:8.1%} {encoded:>8}  {said}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--encoder", default="lexical")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    sample, rounds = (3000, 1) if asked.quick else (asked.sample, asked.rounds)
    folder = Path(tempfile.mkdtemp(prefix="getmore-reselection-"))
    found = measure(Bench(asked.shared, folder, asked.encoder, sample), rounds)
    table(found)
    if asked.json:
        asked.json.write_text(
            json.dumps({"encoder": asked.encoder, "sample": sample, **found}, indent=1) + "\n", "utf-8"
        )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
