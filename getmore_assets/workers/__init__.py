"""The workers: programs that run in processes of their own. Only these processes import torch.

Belongs here: the frame of every worker: spec in, result or error out. Does not: the work.
"""

import importlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from getmore_assets import __version__, progress
from getmore_assets.errors import BadInput
from getmore_assets.facts import Facts
from getmore_assets.parents import end_with_parent
from getmore_assets.ranks import is_first, processes
from getmore_assets.records import write_atomically

Work = Callable[[Any], Facts]  # takes the worker's own spec (`contracts.py`)

REFUSED = 3  # exit code of a worker whose input cannot be used
_SCARCE_MB = 8  # with less free disk, the full disk is a likely cause of an error
POTENTIALS = "ot_potentials"  # the table of the solve worker
TRIAGE = "domain_triage"  # the table of the triage worker


def entry(worker: str) -> Work:
    """Return the work of a worker: the function named as its module."""
    work: Work = getattr(importlib.import_module(f"{__name__}.{worker}"), worker)
    return work


def run(work: Work) -> None:
    """Do the work of the spec in the file of argument 1, write the result to the file of argument 2, and exit."""
    logging.basicConfig(
        level=progress.level() if is_first() else logging.ERROR, format="%(message)s", stream=sys.stderr
    )
    see_one_gpu()
    sys.exit(answer(work, Path(sys.argv[1]), Path(sys.argv[2])))


def see_one_gpu() -> None:
    """Restrict this process to one GPU: the first that it may use, or with several processes the one of its rank.

    With several GPUs, the Trainer would use all of them (DataParallel), with other batches than the recipe's, and
    another loss. The environment variable has an effect until CUDA is first used.
    """
    if processes() == 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def answer(work: Work, spec: Path, result: Path) -> int:
    """Do the work of a spec, write its result, and return the exit code.

    An error is written to the result file, too, for the launcher. With several processes, rank 0 writes the result, and
    the first process that fails writes its error.

    Raises:
        Exception: The work failed.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asked = json.loads(spec.read_text("utf-8"))
        _require_same(asked.pop("package", __version__))
        made = work(TypeAdapter(get_type_hints(work)["spec"]).validate_python(asked))
    except BadInput as error:
        write_atomically(result, json.dumps({"where": error.where, "what": error.what, "fix": error.fix}))
        return REFUSED
    except Exception as error:
        free = shutil.disk_usage(result.parent).free / 2**20
        full = f" (the disk of {result.parent} has {free:.1f} MiB left)" if free < _SCARCE_MB else ""
        with suppress(OSError):
            if not result.exists():
                write_atomically(result, json.dumps({"error": f"{type(error).__name__}: {error}{full}"}))
        raise
    if is_first():
        write_atomically(result, json.dumps(made.given()))
    return 0


def _require_same(version: str) -> None:
    """Refuse to run if the launcher has another version of this package: an image of a pod may differ."""
    if version != __version__:
        what = f"has getmore-assets {__version__}, and the run has {version}"
        raise BadInput("the image in `launch`", what, "Name an image with the version of the run")


# At import, not in `run`: the parent may be killed while the worker imports torch.
end_with_parent()
