"""A worker in several processes on this machine: torchrun, with torchrun's arguments.

Belongs here: two things that torchrun does not do: ending with its parent, and exiting with the code of the first
failed process. Does not: a worker's work.
"""

import os
import signal
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from getmore_assets.parents import PARENT

if __name__ == "__main__":
    os.environ[PARENT] = str(os.getpid())  # the workers watch this process, which watches its own parent
    try:
        run(parse_args(sys.argv[1:]))
    except ChildFailedError as error:
        _, failed = error.get_first_failure()
        if failed.exitcode < 0:
            if -failed.exitcode != signal.SIGKILL:
                signal.signal(-failed.exitcode, signal.SIG_DFL)
            os.kill(os.getpid(), -failed.exitcode)
        sys.exit(failed.exitcode)
