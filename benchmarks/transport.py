"""The solve on a CPU beside OTT-JAX, POT and GeomLoss: the same points, ε and error, each run in a process of its own.

python benchmarks/transport.py ../shared --peers peers/bin/python --json benchmarks/results/transport.json

The peers get the number of iterations that Sinkhorn needs, which is counted first, so that they check their error at
most once. OTT-JAX is compiled before the timed run. `peers.txt` lists the packages that the peers' Python needs.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from vectors import vectors

from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem

TOLERANCE = 1e-3
OURS = ("ours", "kernel", "plain_pass", "sinkhorn")
#: Solver, settings, and whether the solver is so slow that it runs in one round only.
LINE_UP: list[tuple[str, dict[str, Any], bool]] = [
    ("ours", {"memory_mb": 1024}, False),
    ("ours", {"memory_mb": 4096}, False),
    ("ours", {"memory_mb": 0}, False),  # without a stored kernel
    ("kernel", {}, False),
    ("plain_pass", {}, False),
    ("ott", {"batch_size": 8192}, False),
    ("ott", {"batch_size": 256}, True),
    ("pot", {}, True),
    ("geomloss", {"scaling": 0.5, "backend": "tensorized"}, True),
]


def one(python: str, spec: dict[str, Any], work: Path) -> dict[str, Any]:
    """Run a solver in a process of its own, and return its figures; the solver writes g to the spec's file."""
    (work / "spec.json").write_text(json.dumps(spec))
    command = [python, str(Path(__file__).with_name("transport_peers.py")), "spec.json", "result.json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"failed": last[:160]}
    result: dict[str, Any] = json.loads((work / "result.json").read_text())
    return result


def measure(
    x: Path, y: Path, relative: list[float], python: str | None, rounds: int, work: Path
) -> list[dict[str, Any]]:
    """Run all solvers in turn, `rounds` times, at every ε."""
    candidates, targets = np.load(x), np.load(y)
    problem = build_problem(candidates, targets)
    tile_pass, rows = CpuPass(problem), []
    for ratio in relative:
        epsilon = ratio * problem.mean_cost
        common = {"x": str(x), "y": str(y), "epsilon": epsilon, "tolerance": TOLERANCE, "g": str(work / "g.npy")}
        counted = one(sys.executable, {**common, "solver": "sinkhorn"}, work)
        # OTT-JAX and POT may need a few more: they start with the other half-step, and add in float32.
        iterations = dict.fromkeys(("ott", "pot"), int(counted["remark"].split()[0]))
        runs: dict[str, list[dict[str, Any]]] = {"sinkhorn, our passes": [counted]}
        errors = {"sinkhorn, our passes": _error(tile_pass, work, epsilon)}
        for turn in range(rounds):
            for solver, settings, slow in LINE_UP:
                name = " ".join([solver, *(f"{k}={v}" for k, v in settings.items())])
                interpreter = sys.executable if solver in OURS else python
                if interpreter is None or (slow and turn):
                    continue
                spec = {**common, **settings, "solver": solver, "iterations": iterations.get(solver)}
                run = one(interpreter, spec, work)
                if "seconds" in run and solver != "plain_pass":
                    errors[name] = _error(tile_pass, work, epsilon)
                if solver in iterations and errors.get(name, 0) > TOLERANCE:
                    iterations[solver] += 1 + iterations[solver] // 4
                    run = one(interpreter, {**spec, "iterations": iterations[solver]}, work)
                    errors[name] = _error(tile_pass, work, epsilon)
                runs.setdefault(name, []).append(run)
                print(ratio, name, run, errors.get(name), flush=True)
        ours = median(run["seconds"] for run in runs["ours memory_mb=1024"])
        rows += [_row(ratio, name, of_solver, errors.get(name), ours) for name, of_solver in runs.items()]
    return rows


def _error(tile_pass: CpuPass, work: Path, epsilon: float) -> float:
    """Return the L1 error of the target marginal for a solver's g, in float32, computed in the same way for all."""
    g = np.load(work / "g.npy")
    return float(np.abs(tile_pass(g, epsilon, tile_pass.problem.n)[1] - tile_pass.problem.b).sum())


def _row(ratio: float, name: str, runs: list[dict[str, Any]], error: float | None, ours: float) -> dict[str, Any]:
    good = [run for run in runs if "seconds" in run]
    if not good:
        return {"epsilon": ratio, "solver": name, "failed": runs[0]["failed"]}
    seconds = [run["seconds"] for run in good]
    return {
        "epsilon": ratio,
        "solver": name,
        "seconds": median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "rounds": len(good),
        "cpu_seconds": min(run["cpu_seconds"] for run in good),
        "times_ours": median(seconds) / ours,
        "error": error,
        "extra_mib": max(run["extra_mib"] for run in good),
        "remark": good[-1]["remark"],
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    columns = ("seconds (least - most)", "CPU s (least)", "x ours", "L1 error", "MiB beside inputs", "remark")
    table = Table("ε / mean cost", "solver", *columns)
    for row in rows:
        if "failed" in row:
            table.add_row(f"{row['epsilon']}", row["solver"], "-", "-", "-", "-", "-", row["failed"])
            continue
        span = f"{row['seconds']:.2f} ({row['least']:.2f} - {row['most']:.2f})"
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        figures = [f"{row['cpu_seconds']:.2f}", f"{row['times_ours']:.2f}", error, f"{row['extra_mib']:.0f}"]
        table.add_row(f"{row['epsilon']}", row["solver"], span, *figures, row["remark"])
    Console(width=160).print(table)


def machine() -> dict[str, Any]:
    """Return the number of cores and the versions of packages."""
    names = ("torch", "numpy", "getmore-assets")
    return {
        "threads": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "peers": Path(__file__).with_name("peers.txt").read_text().split("\n")[2:-1],
    }


def main() -> None:
    """Measure all solvers, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--peers", help="Python of an environment with the peers; without it, they are left out")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(".getmore/benchmarks"))
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="8,192 candidates, 1,000 targets, one ε, one round")
    args = parser.parse_args()
    x, y = vectors(args.shared, args.cache)
    if args.quick:
        args.epsilon, args.rounds = [0.05], 1
        x_all, y_all, (x, y) = np.load(x, mmap_mode="r"), np.load(y), (args.cache / "x.npy", args.cache / "y.npy")
        np.save(x, x_all[:8192])
        np.save(y, y_all[:1000])
    with tempfile.TemporaryDirectory() as work:
        rows = measure(x.absolute(), y.absolute(), args.epsilon, args.peers, args.rounds, Path(work))
    show(rows)
    sizes = {"candidates": list(np.load(x, mmap_mode="r").shape), "targets": list(np.load(y, mmap_mode="r").shape)}
    if args.json:
        args.json.write_text(json.dumps({**sizes, "tolerance": TOLERANCE, **machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
