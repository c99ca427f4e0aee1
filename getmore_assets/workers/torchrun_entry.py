"""A worker in several processes on this machine: torchrun, with torchrun's arguments.

Belongs here: what torchrun by itself does not do, which is to end with its parent, and as its first failed process did.
Does not: anything that a worker does.
"""

import os
import signal
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from getmore_assets.workers import PARENT

if __name__ == "__main__":
    os.environ[PARENT] = str(os.getpid())  # this process watches its own parent already: the workers watch this one
    try:
        run(parse_args(sys.argv[1:]))
    except ChildFailedError as error:
        _, failed = error.get_first_failure()
        if failed.exitcode < 0:
            if -failed.exitcode != signal.SIGKILL:
                signal.signal(-failed.exitcode, signal.SIG_DFL)
            os.kill(os.getpid(), -failed.exitcode)
        sys.exit(failed.exitcode)
