"""The rank of this process, where torchrun runs a worker in several processes.

Belongs here: torchrun's environment variables. Does not: starting processes (`launch.py`), or dividing work among them
(`training/fit.py`).
"""

import os


def is_first() -> bool:
    """Return whether this process has rank 0, which evaluates, writes and logs."""
    return int(os.environ.get("RANK", "0")) == 0


def nodes() -> int:
    """Return the number of nodes of this worker."""
    return int(os.environ.get("GROUP_WORLD_SIZE", "1"))


def processes() -> int:
    """Return the number of processes of this worker."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def processes_here() -> int:
    """Return the number of processes of this worker on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
