"""The programs that are launched: embed, triage, solve, select, train, measure. Torch is imported in no other process.

Belongs here: the frame every worker runs in, and reading a worker's inputs out of the lake. Does not: the work.
"""

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from getmore_assets import __version__
from getmore_assets.errors import BadInput
from getmore_assets.ranks import is_first
from getmore_assets.records import write_atomically

PARENT = "GETMORE_PARENT"  # the environment variable with the process id of whoever launched this worker
REFUSED = 3  # exit code of a worker whose input cannot be used
_SCARCE_MB = 8  # free disk below which an error may well come of it
POTENTIALS = "ot_potentials"  # the table of the solve worker
TRIAGE = "domain_triage"  # the table of the triage worker


def run(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read the spec (argument 1), do the work, write its result (argument 2).

    What goes wrong is said in the result too, for the one who launched it. Of several processes the first one writes
    the result, and whichever fails before the others what went wrong.
    """
    spec, result = Path(sys.argv[1]), Path(sys.argv[2])
    logging.basicConfig(level=logging.INFO if is_first() else logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asked = json.loads(spec.read_text("utf-8"))
        _require_same(asked.pop("package", __version__))
        made = work(asked)
    except BadInput as error:
        write_atomically(result, json.dumps({"where": error.where, "what": error.what, "fix": error.fix}))
        sys.exit(REFUSED)
    except Exception as error:
        free = shutil.disk_usage(result.parent).free / 2**20
        full = f" (the disk of {result.parent} has {free:.1f} MiB left)" if free < _SCARCE_MB else ""
        with suppress(OSError):
            if not result.exists():
                write_atomically(result, json.dumps({"error": f"{type(error).__name__}: {error}{full}"}))
        raise
    if is_first():
        write_atomically(result, json.dumps(made))


def _require_same(version: str) -> None:
    """Refuse another version of this package than the launcher has: an image may bring one."""
    if version != __version__:
        what = f"has getmore-assets {__version__}, and the run has {version}"
        raise BadInput("the image in `launch`", what, "Name one with the version of the run")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


# A worker ends with the process that launched it, so that a killed run leaves none that goes on writing. Here, and not
# in `run`, because a parent may be killed while a worker still imports torch.
if PARENT in os.environ:
    threading.Thread(target=_end_with, args=(int(os.environ[PARENT]),), daemon=True).start()
