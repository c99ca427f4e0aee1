"""Run workers and the command in the test's process, so that torch and dagster are imported once a session.

Belongs here: replacements of separate processes. Tests of processes use the fixture `real_processes`.
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
    """Run a worker on a spec, with the exit codes of `launch.run_here`."""
    if processes > 1 or nodes:
        return RUN_IN_PROCESSES(worker, spec, result, processes, nodes)
    try:
        work = entry(worker)
        if worker not in _IMPORTED:  # as the process that workers are forked from does
            _IMPORTED.add(worker)
            gc.collect()
            gc.freeze()
        return Exit(answer(work, spec, result), 0.0)
    except Exception:  # a separate process prints the traceback and ends with 1
        traceback.print_exc()
        return Exit(1, 0.0)


def run_command(
    arguments: list[str], environment: dict[str, str | None], cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    """Run the command; return its output and exit code as of a process."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    with contextlib.chdir(cwd or Path.cwd()):
        done = CliRunner(env=environment).invoke(main, arguments)
    root.handlers[:] = handlers
    stderr = done.stderr
    if done.exc_info and not isinstance(done.exception, SystemExit | None):
        stderr += "".join(traceback.format_exception(done.exception))
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, stderr)
