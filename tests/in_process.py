"""Workers and the command in the test's own process: torch and dagster are imported once a session.

Belongs here: what stands in for a process where the process is not what is tested. Tests of processes ask for the
fixture `real_processes`.
"""

import contextlib
import gc
import logging
import subprocess
import traceback
from pathlib import Path

from click.testing import CliRunner

from getmore_assets import launch
from getmore_assets.cli import main
from getmore_assets.forks import Exit
from getmore_assets.nodes import Nodes
from getmore_assets.workers import answer, entry

RUN_IN_PROCESSES = launch.run_here
_IMPORTED = set[str]()


def run_worker(worker: str, spec: Path, result: Path, processes: int, nodes: Nodes | None = None) -> Exit:
    """Answer a spec as `launch.run_here` does, with the same exit codes."""
    if processes > 1 or nodes:
        return RUN_IN_PROCESSES(worker, spec, result, processes, nodes)
    try:
        work = entry(worker)
        if worker not in _IMPORTED:  # as the process that workers are forked from does
            _IMPORTED.add(worker)
            gc.collect()
            gc.freeze()
        return Exit(answer(work, spec, result), 0.0)
    except Exception:  # a process of its own prints the traceback and ends with 1
        traceback.print_exc()
        return Exit(1, 0.0)


def run_command(
    arguments: list[str], environment: dict[str, str | None], cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    """Run the command, with what it prints and its exit code as a process would have them."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    with contextlib.chdir(cwd or Path.cwd()):
        done = CliRunner(env=environment).invoke(main, arguments)
    root.handlers[:] = handlers
    said = done.stderr
    if done.exc_info and not isinstance(done.exception, SystemExit | None):
        said += "".join(traceback.format_exception(done.exception))
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, said)
