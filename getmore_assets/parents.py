"""Processes that end with the process that started them, so that nothing of a killed run keeps writing.

Belongs here: watching the parent. Does not: starting processes (`forks.py`, `launch.py`, `parallel.py`).
"""

import os
import threading
import time

PARENT = "GETMORE_PARENT"  # the environment variable with the process id of the process that started this one


def end_with_parent() -> None:
    """End this process as soon as the process that `PARENT` names ends; do nothing if there is no such variable."""
    if PARENT in os.environ:
        end_with(int(os.environ[PARENT]))


def end_with(parent: int) -> None:
    """End this process as soon as its parent ends; `parent` is the process id of the parent."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
