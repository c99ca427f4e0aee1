"""Time and memory of the solve on a CPU with candidates on disk, for 250,000 to 2 million candidates.

python benchmarks/transport_large.py ../shared --json benchmarks/results/transport-large.json
"""

import argparse
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from transport import machine
from vectors import more, vectors

RELATIVE, TOLERANCE = 0.05, 1e-3


def solve_one(x: str, y: str, count: int) -> dict[str, Any]:
    """Solve for the first `count` candidates of a file, and return the seconds and the peak resident memory."""
    from getmore_assets.metering import metered
    from getmore_assets.transport.passes.cpu import CpuPass
    from getmore_assets.transport.problem import build_problem
    from getmore_assets.transport.rows import NpyFile
    from getmore_assets.transport.solver import solve

    with metered() as meter:
        started = time.perf_counter()
        problem = build_problem(NpyFile(Path(x), count), np.load(y))
        built = time.perf_counter()
        solution = solve(CpuPass(problem), RELATIVE * problem.mean_cost, tolerance=TOLERANCE)
        ended = time.perf_counter()
    return {
        "candidates": count,
        "targets": problem.m,
        "width": problem.y.shape[1],
        "seconds": ended - started,
        "scan_seconds": built - started,
        "full_passes": solution.full_passes,
        "passes": solution.passes,
        "error": solution.error,
        "peak_rss_mib": meter.peak_rss_mb,
        "file_mib": 4 * count * problem.y.shape[1] / 2**20,
    }


def main() -> None:
    """Measure each size in a process of its own, and fit a line to the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".getmore/benchmarks"))
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="16,384 and 32,768 candidates of width 256")
    args = parser.parse_args()
    sizes = [2**14, 2**15] if args.quick else [250_000, 500_000, 1_000_000, 2_000_000]
    x, y = vectors(args.shared, args.cache, 256 if args.quick else 384)
    large = more(x, x.with_name(f"more-{sizes[-1]}.npy"), sizes[-1])
    rows = []
    for count in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(solve_one, (str(large), str(y), count)))
        print(rows[-1], flush=True)
    n, seconds = np.array(sizes) / 1e6, np.array([row["seconds"] for row in rows])
    slope, offset = np.polyfit(n, seconds, 1)
    fit = {"seconds_per_million": slope, "offset": offset, "residuals": (seconds - slope * n - offset).tolist()}
    table = Table("candidates", "seconds", "full passes", "L1 error", "resident MiB", "file MiB")
    for row in rows:
        figures = f"{row['seconds']:.1f}", str(row["full_passes"]), f"{row['error']:.1e}"
        table.add_row(f"{row['candidates']:,}", *figures, f"{row['peak_rss_mib']:.0f}", f"{row['file_mib']:.0f}")
    Console(width=120).print(table)
    print(f"{slope:.1f} s a million + {offset:.1f} s; residuals {np.round(fit['residuals'], 1).tolist()} s")
    if args.json:
        args.json.write_text(json.dumps({**machine(), "epsilon": RELATIVE, "fit": fit, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
