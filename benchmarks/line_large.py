"""Time and memory of the pipeline up to the selected subset, for pools of 50,000 to 2 million rows.

python benchmarks/line_large.py ../shared --json benchmarks/results/line-large.json

The pool has 134,123 passages. Further rows join the first half of one passage to the second half of another passage of
the same domain, so that text is real, no row is a copy, and domains keep their shares. The target is ChemProt, the
encoder lexical. Each size is one `getmore select` in a new lake.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from rich.console import Console
from rich.table import Table
from transport import machine

SIZES = [50_000, 200_000, 500_000, 1_000_000, 2_000_000]
_FILE_ROWS = 250_000


def write_pool(shared: Path, folder: Path, count: int) -> None:
    """Write `count` rows in random order as Parquet files."""
    real = pl.read_parquet(shared / "data/candidates.parquet", columns=["text", "source", "domain"])
    real = real.sample(fraction=1, shuffle=True, seed=0)
    words = [text.split() for text in real["text"].to_list()]
    domains = real["domain"].to_numpy()
    of_domain = {domain: np.flatnonzero(domains == domain) for domain in np.unique(domains)}
    rng = np.random.default_rng(0)
    folder.mkdir()
    for start in range(0, count, _FILE_ROWS):
        rows = np.arange(start, min(start + _FILE_ROWS, count))
        first = np.where(rows < real.height, rows, rng.integers(0, real.height, len(rows)))
        texts = []
        for row, passage in zip(rows.tolist(), first.tolist(), strict=True):
            if row < real.height:
                texts.append(real["text"][passage])
                continue
            head, tail = words[passage], words[rng.choice(of_domain[domains[passage]])]
            texts.append(" ".join(head[: len(head) // 2] + tail[len(tail) // 2 :]))
        part = real[first].with_columns(text=pl.Series(texts))
        part.write_parquet(folder / f"{start:09}.parquet", row_group_size=20_000)


def _cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def select(shared: Path, count: int) -> dict[str, Any]:
    """Select from `count` rows; return seconds and peak memory, also by stage."""
    with tempfile.TemporaryDirectory(prefix="getmore-line-") as folder:
        home, data = Path(folder), shared.absolute() / "data"
        write_pool(shared, home / "pool", count)
        splits = {"train": "train", "validation": "dev", "test": "test"}
        fields = {
            "name": "line-large",
            "lake": str(home / "lake"),
            "candidates": [{"path": str(home / "pool"), "source": "source", "domain": "domain"}],
            "target": {split: str(data / f"chemprot.{name}.jsonl") for split, name in splits.items()},
            "encoder": {"model": "lexical"},
            "selection": {"selector": "got-d", "budget": {"rows": min(5000, count // 20)}},
        }
        (home / "task.yaml").write_text(yaml.safe_dump(fields), "utf-8")
        command = [sys.executable, "-m", "getmore_assets.cli", "select", str(home / "task.yaml"), "--json"]
        began, used = time.monotonic(), _cpu_seconds()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, used = time.monotonic() - began, _cpu_seconds() - used
        if done.returncode:
            sys.exit(done.stderr)
        stages = {one["name"]: one for one in json.loads(done.stdout.splitlines()[-1])["stages"]}
        return {
            "rows": count,
            "text_mib": sum(file.stat().st_size for file in (home / "pool").iterdir()) / 2**20,
            "lake_mib": sum(file.stat().st_size for file in (home / "lake").rglob("*") if file.is_file()) / 2**20,
            "seconds": seconds,
            "cpu_seconds": used,
            "peak_rss_mb": max(one["peak_rss_mb"] for one in stages.values()),
            "stages": {name: [one["seconds"], one["peak_rss_mb"]] for name, one in stages.items()},
        }


def main() -> None:
    """Measure each size, and fit a line to the CPU seconds, which other work on the machine affects least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="2,000 and 4,000 rows")
    args = parser.parse_args()
    sizes = [2000, 4000] if args.quick else sorted(args.rows)
    rows = []
    for count in sizes:
        rows.append(select(args.shared, count))
        print(rows[-1], flush=True)
    n, seconds = np.array(sizes) / 1e6, np.array([row["cpu_seconds"] for row in rows])
    slope, offset = np.polyfit(n, seconds, 1)
    fit = {"seconds_per_million": slope, "offset": offset, "residuals": (seconds - slope * n - offset).tolist()}
    stages = list(rows[0]["stages"])
    table = Table("rows", "seconds", "CPU s", "peak MiB", *stages)
    for row in rows:
        each = [f"{taken:.1f} / {peak:,.0f}" for taken, peak in (row["stages"][name] for name in stages)]
        whole = (f"{row['seconds']:.1f}", f"{row['cpu_seconds']:.1f}", f"{row['peak_rss_mb']:,.0f}")
        table.add_row(f"{row['rows']:,}", *whole, *each)
    Console(width=160).print(table)
    print(f"{slope:.1f} CPU s a million + {offset:.1f} s; residuals {np.round(fit['residuals'], 1).tolist()} s")
    if args.json:
        about = {**{name: value for name, value in machine().items() if name != "peers"}, "encoder": "lexical"}
        args.json.write_text(json.dumps({**about, "fit": fit, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
