"""The solve on a CPU beside OTT-JAX, POT and GeomLoss: the same points, ε and error, each run a process of its own.

python benchmarks/transport.py ../shared --peers peers/bin/python --json benchmarks/results/transport.json

Peers are told beforehand how many iterations they need (Sinkhorn's own number, counted here), so they check their error
at most once. OTT-JAX is compiled before it is timed. `peers.txt` says what the interpreter of the peers must have.
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
#: Solver, its settings, and whether it is so much slower that one round must do.
LINE_UP: list[tuple[str, dict[str, Any], bool]] = [
    ("ours", {"memory_mb": 1024}, False),
    ("ours", {"memory_mb": 4096}, False),
    ("ours", {"memory_mb": 0}, False),  # every pass computed
    ("kernel", {}, False),
    ("plain_pass", {}, False),
    ("ott", {"batch_size": 8192}, False),
    ("ott", {"batch_size": 256}, True),
    ("pot", {}, True),
    ("geomloss", {"scaling": 0.5, "backend": "tensorized"}, True),
]


def one(python: str, spec: dict[str, Any], work: Path) -> dict[str, Any]:
    """Run a solver in a process of its own; seconds, extra_mib, remark, and where its g is."""
    (work / "spec.json").write_text(json.dumps(spec))
    command = [python, str(Path(__file__).with_name("transport_peers.py")), "spec.json", "result.json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"failed": last[:160]}
    found: dict[str, Any] = json.loads((work / "result.json").read_text())
    return found


def measure(
    x: Path, y: Path, relative: list[float], python: str | None, rounds: int, work: Path
) -> list[dict[str, Any]]:
    """All solvers in turn, `rounds` times, at every ε."""
    candidates, targets = np.load(x), np.load(y)
    problem = build_problem(candidates, targets)
    tile_pass, rows = CpuPass(problem), []
    for ratio in relative:
        epsilon = ratio * problem.mean_cost
        common = {"x": str(x), "y": str(y), "epsilon": epsilon, "tolerance": TOLERANCE, "g": str(work / "g.npy")}
        counted = one(sys.executable, {**common, "solver": "sinkhorn"}, work)
        # Their first half-step starts from the other side, and float32 sums cost them: they may need some more.
        told = dict.fromkeys(("ott", "pot"), int(counted["remark"].split()[0]))
        runs: dict[str, list[dict[str, Any]]] = {"sinkhorn, our passes": [counted]}
        errors = {"sinkhorn, our passes": _error(tile_pass, work, epsilon)}
        for turn in range(rounds):
            for solver, settings, slow in LINE_UP:
                name = " ".join([solver, *(f"{k}={v}" for k, v in settings.items())])
                interpreter = sys.executable if solver in OURS else python
                if interpreter is None or (slow and turn):
                    continue
                spec = {**common, **settings, "solver": solver, "iterations": told.get(solver)}
                found = one(interpreter, spec, work)
                if "seconds" in found and solver != "plain_pass":
                    errors[name] = _error(tile_pass, work, epsilon)
                if solver in told and errors.get(name, 0) > TOLERANCE:
                    told[solver] += 1 + told[solver] // 4
                    found = one(interpreter, {**spec, "iterations": told[solver]}, work)
                    errors[name] = _error(tile_pass, work, epsilon)
                runs.setdefault(name, []).append(found)
                print(ratio, name, found, errors.get(name), flush=True)
        ours = median(run["seconds"] for run in runs["ours memory_mb=1024"])
        rows += [_row(ratio, name, made, errors.get(name), ours) for name, made in runs.items()]
    return rows


def _error(tile_pass: CpuPass, work: Path, epsilon: float) -> float:
    """The float32 L1 error of the target marginal that a solver's g leads to, by the same measure for all."""
    g = np.load(work / "g.npy")
    return float(np.abs(tile_pass(g, epsilon, tile_pass.problem.n)[1] - tile_pass.problem.b).sum())


def _row(ratio: float, name: str, made: list[dict[str, Any]], error: float | None, ours: float) -> dict[str, Any]:
    good = [run for run in made if "seconds" in run]
    if not good:
        return {"epsilon": ratio, "solver": name, "failed": made[0]["failed"]}
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
    table = Table(
        "ε / mean cost",
        "solver",
        "seconds (least - most)",
        "CPU s (least)",
        "x ours",
        "L1 error",
        "MiB beside inputs",
        "remark",
    )
    for row in rows:
        if "failed" in row:
            table.add_row(f"{row['epsilon']}", row["solver"], "-", "-", "-", "-", "-", row["failed"])
            continue
        span = f"{row['seconds']:.2f} ({row['least']:.2f} - {row['most']:.2f})"
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        figures = [
            f"{row['cpu_seconds']:.2f}",
            f"{row['times_ours']:.2f}",
            error,
            f"{row['extra_mib']:.0f}",
            row["remark"],
        ]
        table.add_row(f"{row['epsilon']}", row["solver"], span, *figures)
    Console(width=160).print(table)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    names = ("torch", "numpy", "getmore-assets")
    return {
        "threads": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "peers": Path(__file__).with_name("peers.txt").read_text().split("\n")[2:-1],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--peers", help="the Python that has the peers; without it they are left out")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(".getmore/benchmarks"))
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="8,192 candidates, 1,000 targets, one ε, one round")
    given = parser.parse_args()
    x, y = vectors(given.shared, given.cache)
    if given.quick:
        given.epsilon, given.rounds = [0.05], 1
        x_all, y_all, (x, y) = np.load(x, mmap_mode="r"), np.load(y), (given.cache / "x.npy", given.cache / "y.npy")
        np.save(x, x_all[:8192])
        np.save(y, y_all[:1000])
    with tempfile.TemporaryDirectory() as work:
        rows = measure(x.absolute(), y.absolute(), given.epsilon, given.peers, given.rounds, Path(work))
    show(rows)
    sizes = {"candidates": list(np.load(x, mmap_mode="r").shape), "targets": list(np.load(y, mmap_mode="r").shape)}
    if given.json:
        given.json.write_text(json.dumps({**sizes, "tolerance": TOLERANCE, **machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
