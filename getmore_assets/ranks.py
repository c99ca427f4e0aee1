"""Which of several processes this is, where torchrun started the same worker more than once.

Belongs here: what torchrun says in the environment. Does not: starting them (`launch.py`), or what they share
(`training/fit.py`).
"""

import os


def is_first() -> bool:
    """Whether this process is the one that evaluates, writes and says what is going on."""
    return int(os.environ.get("RANK", "0")) == 0


def processes() -> int:
    """How many do this work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))
