"""The exchange of band keys beside Polars, Daft, Spark and Ray Data: for each row the first row that shares a key.

python benchmarks/exchange.py ../shared --peers peers/bin/python --json benchmarks/results/exchange.json

The keys are those of `corpus/duplicates.py`, 16 a row, of the passages that `line_large.py` makes: 134,123 real ones,
then the first half of one joined to the second half of another of the same domain. Every program reads one Parquet file
and writes others, in a process of its own; ours, Polars and Spark have one thread for the work, Daft and Ray Data two.
The programs take turns. Seconds and CPU seconds are those of the work, after the engine has started; memory is the
highest sum of proportional set sizes of the process and its descendants, read about five times a second. A result other
than NumPy's is a failure.

Then a process of each engine is killed in the middle of its work, as the kernel does if memory is short.
"""

import argparse
import ast
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import psutil
from line_large import write_pool
from rich.console import Console
from rich.table import Table
from transport import machine

from getmore_assets.corpus.duplicates import BANDS, band_keys
from getmore_assets.corpus.readers import BATCH_ROWS
from getmore_assets.corpus.shingles import Shingles

PROGRAMS = ["ours", "polars", "daft", "spark", "ray_data"]
#: A program, and what the name or command of the process that is killed contains; "" is the process of the program.
KILLS = [
    ("ours", ""),
    ("daft", ""),
    ("spark", "java"),
    ("spark_workers", "CoarseGrainedExecutorBackend"),
    ("ray_data", "ray::"),
    ("daft_on_ray", "ray::RaySwordfishActor"),
]
LIMIT_S, LIMIT_MIB, INTERVAL_S = 2400, 5120, 0.2
_SCRIPT = Path(__file__).with_name("exchange_peers.py")


def keys_of(shared: Path, rows: int, cache: Path) -> np.ndarray:
    """Return the band keys of made passages, kept in a file: `[rows, 16]`, uint64."""
    file = cache / f"band-keys-{rows}.npy"
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            write_pool(shared, Path(folder) / "pool", rows)
            texts = pl.read_parquet(Path(folder) / "pool/*.parquet", columns=["text"])["text"]
        parts = [band_keys(Shingles.of(texts[start : start + BATCH_ROWS])) for start in range(0, rows, BATCH_ROWS)]
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, np.concatenate(parts))
    stored: np.ndarray = np.load(file, mmap_mode="r")
    return stored


def write_input(keys: np.ndarray, file: Path) -> np.ndarray:
    """Write a line per row and band; return the right answer: `[rows]`, int64."""
    rows = np.repeat(np.arange(len(keys)), BANDS)
    lines = pl.DataFrame({"row": rows, "key": keys.ravel().view(np.int64)})
    lines.write_parquet(file, row_group_size=BATCH_ROWS * BANDS)
    _, at, band = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    right: np.ndarray = rows[at][band].reshape(-1, BANDS).min(1)
    return right


class Tree:
    """A process that works in the folder `work`, with `result.json.began` there when it begins, and its descendants."""

    def __init__(self, command: list[str], work: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(_SCRIPT.parents[1]), "POLARS_MAX_THREADS": "1"}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DO_NOT_TRACK"), "1")
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0", "SPARK_LOCAL_IP": "127.0.0.1"}
        environment |= {"SPARK_LOCAL_DIRS": str(work), "RAY_memory_monitor_refresh_ms": "0"}  # not by others
        self._work, self._log = work, (work / "log").open("w")
        self.main = psutil.Popen(command, cwd=work, env=environment, stdout=self._log, stderr=self._log)
        self._seen, self.peak_mib, self.killed = set[psutil.Process](), 0.0, ""

    def watch(self, kill: str | None = None, after: float = 0.0) -> str:
        """Wait for the end; return "" or why there is no result. Kill the busiest process of a name `after` seconds."""
        started, began, cost = time.monotonic(), None, 0.0
        while self.main.poll() is None:
            time.sleep(max(INTERVAL_S, 20 * cost))  # reading takes at most a twentieth of the time
            read, children = time.monotonic(), self._children()
            self._seen |= set(children)
            self.peak_mib = max(self.peak_mib, sum(map(_resident, [self.main, *children])))
            cost = (now := time.monotonic()) - read
            if began is None and (self._work / "result.json.began").exists():
                began = now
            if kill is not None and not self.killed and began and now > began + after:
                self._kill(kill)
            if now > started + LIMIT_S or self.peak_mib > LIMIT_MIB:
                return f"ended after {now - started:.0f} s with {self.peak_mib:.0f} MiB"
        lines = (self._work / "log").read_text(errors="replace").strip().splitlines() or [""]
        wrong = [line for line in lines if "Error" in line or "Exception" in line]
        return f"exit code {self.main.returncode}: {(wrong or lines)[-1][:200]}" if self.main.returncode else ""

    def end(self) -> None:
        """End what is left."""
        for process in (self.main, *self._seen):
            if process.is_running():
                process.kill()
        self.main.wait()
        psutil.wait_procs(self._seen, timeout=10)
        self._log.close()

    def _children(self) -> list[psutil.Process]:
        try:
            return list(self.main.children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _kill(self, name: str) -> None:
        try:
            found = [one for one in self._children() if name in " ".join(one.cmdline())] if name else [self.main]
            busiest = max(found, key=lambda one: sum(one.cpu_times()[:2]), default=None)
            if busiest is not None:
                self.killed = busiest.name()
                busiest.kill()
        except psutil.NoSuchProcess:
            return


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss / 2**20)
    except psutil.Error:
        return 0.0


def one(python: str, program: str, source: Path, right: np.ndarray, *kill: Any) -> dict[str, Any]:
    """Run a program in a process of its own; return its figures, or why it failed."""
    with tempfile.TemporaryDirectory(prefix="getmore-exchange-") as folder:
        (target := (work := Path(folder)) / "found").mkdir()
        spec = {"program": program, "source": str(source), "target": str(target)}
        (work / "spec.json").write_text(json.dumps(spec))
        tree, began = Tree([python, str(_SCRIPT), "spec.json", "result.json"], work), time.monotonic()
        try:
            failed = tree.watch(*kill)
        finally:
            tree.end()
        about = {"peak_mib": tree.peak_mib, "killed": tree.killed, "whole_seconds": time.monotonic() - began}
        if failed:
            return {"failed": failed, **about}
        found = pl.read_parquet(target / "**/*.parquet").sort("row")
        same = np.array_equal(found["row"], np.arange(len(right))) and np.array_equal(found["first"], right)
        return {**(json.loads((work / "result.json").read_text()) if same else {"failed": "another answer"}), **about}


def measure(pythons: dict[str, str], source: Path, right: np.ndarray, rounds: int) -> list[dict[str, Any]]:
    """Run every program in turn, `rounds` times; return a row of the table for each."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for program, python in pythons.items():
            runs.setdefault(program, []).append(one(python, program, source, right))
            print(len(right), program, runs[program][-1], flush=True)
    rows: list[dict[str, Any]] = []
    for program, of_program in runs.items():
        good = [run for run in of_program if "failed" not in run]
        row: dict[str, Any] = {"rows": len(right), "program": program, "lines": lines_of(program), "runs": of_program}
        if good:
            names = ("seconds", "cpu_seconds", "start_seconds", "start_cpu_seconds", "peak_mib")
            row |= {name: median(run[name] for run in good) for name in names}
            row |= {"rows_a_cpu_second": len(right) / row["cpu_seconds"], "versions": good[0]["versions"]}
            row["times_ours"] = row["cpu_seconds"] / (rows[0] if rows else row)["cpu_seconds"]
        rows.append(row)
    return rows


def kills(pythons: dict[str, str], source: Path, right: np.ndarray) -> list[dict[str, Any]]:
    """Kill a process of each engine after half the seconds of an undisturbed run; return what happened."""
    usual: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for program, name in KILLS:
        python = pythons.get(program, pythons["ray_data"])
        before = usual[program] = usual.get(program) or one(python, program, source, right)
        after = one(python, program, source, right, name, before.get("seconds", 60) / 2)
        rows.append({"program": program, "process": name, "usual": before, "after": after})
        print(rows[-1], flush=True)
    return rows


def lines_of(program: str) -> int:
    """Return the lines of code of a program's function, without docstring and empty lines."""
    tree = ast.parse(_SCRIPT.read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == program)
    function.body = function.body[1:]
    return len(ast.unparse(function).splitlines())


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("rows", "program", "s", "CPU s", "x ours", "rows / CPU s", "start s (CPU s)", "peak MiB", "lines")
    for row in rows:
        head = (f"{row['rows']:,}", row["program"])
        if "seconds" not in row:
            table.add_row(*head, row["runs"][0]["failed"])
            continue
        start = f"{row['start_seconds']:.1f} ({row['start_cpu_seconds']:.1f})"
        figures = [f"{row[name]:,.1f}" for name in ("seconds", "cpu_seconds", "times_ours")]
        last = (f"{row['rows_a_cpu_second']:,.0f}", start, f"{row['peak_mib']:,.0f}", str(row["lines"]))
        table.add_row(*head, *figures, *last)
    Console(width=160).print(table)


def main() -> None:
    """Measure every program and every kill, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--peers", help="Python of an environment with the peers; without it, only ours and Polars")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000], help="prefixes of the largest")
    parser.add_argument("--rounds", type=int, nargs="+", default=[3, 1], help="for each number of rows")
    parser.add_argument("--kill", type=int, default=200_000, help="rows of the runs that lose a process; 0 for none")
    parser.add_argument("--cache", type=Path, default=Path(".getmore/benchmarks"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="8,192 rows, one round, no kills")
    args = parser.parse_args()
    if args.quick:
        args.rows, args.rounds, args.kill = [8192], [1], 0
    keys = keys_of(args.shared, max(args.rows), args.cache)
    pythons = {
        name: sys.executable if name in PROGRAMS[:2] else args.peers for name in PROGRAMS[: 5 if args.peers else 2]
    }
    rows, lost = [], []
    figures: dict[str, Any] = {**{name: value for name, value in machine().items() if name != "peers"}, "bands": BANDS}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "keys.parquet"
        for count, rounds in zip(args.rows, args.rounds, strict=True):
            right = write_input(keys[:count], source)
            repeated = 1 - len(np.unique(keys[:count])) / (count * BANDS)
            shares = {"keys_repeated": repeated, "rows_with_earlier": float((right < np.arange(count)).mean())}
            figures[f"{count} rows"] = shares
            rows += measure(pythons, source, right, rounds)
        if args.kill and args.peers:
            lost = kills(pythons, source, write_input(keys[: args.kill], source))
    show(rows)
    if args.json:
        args.json.write_text(json.dumps({**figures, "programs": rows, "kills": lost}, indent=1) + "\n")


if __name__ == "__main__":
    main()
