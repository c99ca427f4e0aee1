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
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import psutil
from exchange_peers import cpu_seconds
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
    ("ray_data", "ray::HashShuffle"),
    ("spark", "java"),
    ("spark_workers", "CoarseGrainedExecutorBackend"),
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
        environment |= {"SPARK_LOCAL_DIRS": str(work), "RAY_memory_monitor_refresh_ms": "0"}
        environment["JAVA_TOOL_OPTIONS"] = f"-Djava.io.tmpdir={work}"
        self._work, self._log = work, (work / "log").open("w")
        self.main = psutil.Popen(command, cwd=work, env=environment, stdout=self._log, stderr=self._log)
        self._seen, self.peak_mib, self.killed = set[psutil.Process](), 0.0, ""

    def watch(self, kill: str | None, after: float) -> str:
        """Wait for the end; return "" or why there is no result.

        Args:
            kill: A part of the command of the process to kill, the busiest if there are several; None for no process.
            after: CPU seconds of work before the kill.
        """
        started, began, cost = time.monotonic(), None, 0.0
        while self.main.poll() is None:
            time.sleep(max(INTERVAL_S, 20 * cost))  # reading takes at most a twentieth of the time
            read, children = time.monotonic(), self.main.children(recursive=True)
            self._seen |= set(children)
            self.peak_mib = max(self.peak_mib, sum(map(_resident, [self.main, *children])))
            cost = (now := time.monotonic()) - read
            if kill is not None and not self.killed and (self._work / "result.json.began").exists():
                used = cpu_seconds(self.main)
                began = used if began is None else began
                if used >= began + after:
                    self._kill(kill)
            if now > started + LIMIT_S or self.peak_mib > LIMIT_MIB:
                return f"ended after {now - started:.0f} s with {self.peak_mib:.0f} MiB"
        lines = (self._work / "log").read_text(errors="replace").strip().splitlines() or [""]
        wrong = [line for line in lines if "Error" in line or "Exception" in line]
        return f"exit code {self.main.returncode}: {(wrong or lines)[-1][:200]}" if self.main.returncode else ""

    def end(self) -> None:
        """End what is left."""
        for process in (self.main, *self._seen):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.main.wait()
        psutil.wait_procs(self._seen, timeout=10)
        self._log.close()

    def _kill(self, name: str) -> None:
        found = [one for one in self.main.children(recursive=True) if name in _command(one)] if name else [self.main]
        if found:
            busiest = max(found, key=lambda one: sum(one.cpu_times()[:2]))
            self.killed = busiest.name()
            busiest.kill()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # or it has ended and its parent has not noticed
        return ""


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss / 2**20)
    except psutil.Error:
        return 0.0


def one(python: str, program: str, source: Path, right: np.ndarray, kill: str | None, after: float) -> dict[str, Any]:
    """Run a program in a process of its own; return its figures, or why it failed; `kill` as in `Tree.watch`."""
    with tempfile.TemporaryDirectory(prefix="getmore-exchange-") as folder:
        (target := (work := Path(folder)) / "found").mkdir()
        spec = {"program": program, "source": str(source), "target": str(target)}
        (work / "spec.json").write_text(json.dumps(spec))
        tree, began = Tree([python, str(_SCRIPT), "spec.json", "result.json"], work), time.monotonic()
        try:
            failed = tree.watch(kill, after)
        finally:
            tree.end()
        run = {"rows": len(right), "program": program, "kill": kill, "killed": tree.killed, "peak_mib": tree.peak_mib}
        run["whole_seconds"] = time.monotonic() - began
        if failed:
            return {**run, "failed": failed}
        found = pl.read_parquet(target / "**/*.parquet").sort("row")
        same = np.array_equal(found["row"], np.arange(len(right))) and np.array_equal(found["first"], right)
        return {**run, **(json.loads((work / "result.json").read_text()) if same else {"failed": "another answer"})}


def of(runs: list[dict[str, Any]], rows: int, program: str, kill: str | None = None) -> list[dict[str, Any]]:
    """Return the runs of a program."""
    return [run for run in runs if (run["rows"], run["program"], run["kill"]) == (rows, program, kill)]


def row_of(runs: list[dict[str, Any]], rows: int, program: str) -> dict[str, Any]:
    """Return the medians of a program's runs."""
    row: dict[str, Any] = {"rows": rows, "program": program, "lines": lines_of(program)}
    good, ours = [run for run in of(runs, rows, program) if "failed" not in run], of(runs, rows, "ours")
    if good:
        names = ("seconds", "cpu_seconds", "start_seconds", "start_cpu_seconds", "peak_mib")
        row |= {name: median(run[name] for run in good) for name in names}
        row |= {"rows_a_cpu_second": rows / row["cpu_seconds"], "versions": good[0]["versions"], "runs": len(good)}
        row["times_ours"] = row["cpu_seconds"] / median(run["cpu_seconds"] for run in ours)
    return row


def lines_of(program: str) -> int:
    """Return the lines of code of a program's function, without docstring and empty lines."""
    tree = ast.parse(_SCRIPT.read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == program)
    function.body = function.body[1:]
    return len(ast.unparse(function).splitlines())


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("rows", "program", "s", "CPU s", "x ours", "rows / CPU s", "start CPU s", "peak MiB", "lines")
    names = ("seconds", "cpu_seconds", "times_ours", "rows_a_cpu_second", "start_cpu_seconds", "peak_mib", "lines")
    for row in rows:
        figures = [f"{row[name]:,.1f}" if name in row else "-" for name in names]
        table.add_row(f"{row['rows']:,}", row["program"], *figures)
    Console(width=160).print(table)


def main() -> None:
    """Measure every program and every kill, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--peers", help="Python of an environment with the peers; without it, only ours and Polars")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000], help="prefixes of the largest")
    parser.add_argument("--rounds", type=int, nargs="+", default=[3, 1], help="for each number of rows")
    parser.add_argument("--cache", type=Path, default=Path(".getmore/benchmarks"))
    parser.add_argument("--json", type=Path, help="write the figures here; runs that it has are not repeated")
    parser.add_argument("--quick", action="store_true", help="8,192 rows, one round, no kills")
    args = parser.parse_args()
    if args.quick:
        args.rows, args.rounds = [8192], [1]
    keys = keys_of(args.shared, max(args.rows), args.cache)
    programs = PROGRAMS if args.peers else PROGRAMS[:2]
    plan: list[tuple[int, str, str | None, int]] = []
    for count, rounds in zip(args.rows, args.rounds, strict=True):
        plan += [(count, program, None, turn) for turn in range(rounds) for program in programs]
    for program, name in KILLS if args.peers and not args.quick else []:
        plan.append((args.rows[0], program, name, 0))
    about = {name: value for name, value in machine().items() if name != "peers"}
    figures: dict[str, Any] = {**about, "bands": BANDS, "keys_repeated": {}, "rows_with_earlier": {}, "runs": []}
    if args.json and args.json.exists():
        figures = json.loads(args.json.read_text())
    runs, right, source = figures["runs"], np.empty(0), Path(tempfile.mkdtemp()) / "keys.parquet"
    for count, program, kill, turn in plan:
        if len(right) != count:
            right = write_input(keys[:count], source)
            figures["keys_repeated"][str(count)] = 1 - len(np.unique(keys[:count])) / (count * BANDS)
            figures["rows_with_earlier"][str(count)] = float((right < np.arange(count)).mean())
        if len(of(runs, count, program, kill)) > turn:
            continue
        usual = row_of(runs, count, program).get("cpu_seconds", 4.0)  # 4: not known of programs that are only killed
        python = sys.executable if program in PROGRAMS[:2] else args.peers
        runs.append(one(python, program, source, right, kill, usual / 2))
        print(runs[-1], flush=True)
        figures["programs"] = [row_of(runs, rows, program) for rows in args.rows for program in programs]
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1) + "\n")
    shutil.rmtree(source.parent)
    show(figures["programs"])


if __name__ == "__main__":
    main()
