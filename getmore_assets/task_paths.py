"""The paths in a task file: relative to the file's folder, wherever the command is run.

Belongs here: which folder each relative path of a task starts from. Does not: opening what lies there
(`corpus/file_lists.py`, `models.py`).

A path that does not exist there, but exists from the working directory, is taken from there with a warning: task files
of earlier versions were written so. A lake that is named without `..` is looked for beside the task file and in the
folders above it, as git looks for `.git`; where there is none, it is made beside the task file.
"""

import logging
import os
import stat
from pathlib import Path
from typing import Any

from getmore_assets.config import (
    ASSET_PREFIX,
    HUB_PREFIX,
    PYTHON_DOCS,
    BaseModelChoice,
    Encoder,
    Rows,
    Section,
    Task,
    Toxicity,
)
from getmore_assets.object_stores import is_on_store

log = logging.getLogger(__name__)

#: The fields that hold the name of a model, which may be a folder.
_MODELS = {(Encoder, "model"), (BaseModelChoice, "model"), (Toxicity, "classifier")}


def relative_to_file(task: Task, file: Path) -> Task:
    """Return the task with every relative path starting from the folder of its file.

    Args:
        task: As the file says.
        file: The task file. Where its folder is the working directory, sources and models stay as they are written.
    """
    here, folder = Path.cwd(), file.absolute().parent
    folder = here if folder.samefile(here) else folder.resolve()
    if not is_on_store(task.lake):
        lake = _lake(Path(task.lake), folder)
        if lake != Path(task.lake).absolute():
            task = task.model_copy(update={"lake": str(lake)})
    if folder == here:
        return task
    elsewhere: list[str] = []
    placed = _placed(task, folder, elsewhere)
    assert isinstance(placed, Task)
    if elsewhere:
        named = ", ".join(elsewhere[:3]) + (", …" if len(elsewhere) > 3 else "")
        log.warning(
            "%s: not found beside the task file, so read from the working directory: %s. Paths are relative to the "
            "task file's folder: write them so, or run from there",
            file,
            named,
        )
    return placed


def _placed(value: Any, folder: Path, elsewhere: list[str]) -> Any:
    """A value of a task, its sources and models told where they are relative to."""
    if isinstance(value, list):
        return [_placed(one, folder, elsewhere) for one in value]
    if isinstance(value, dict):
        return {name: _placed(one, folder, elsewhere) for name, one in value.items()}
    if not isinstance(value, Section):
        return value
    changed = {}
    for name in type(value).model_fields:
        now = getattr(value, name)
        then = _placed(now, folder, elsewhere)
        if then != now:
            changed[name] = then
        elif (type(value), name) in _MODELS and not Path(now).exists() and (folder / now).is_dir():
            changed[name] = str(folder / now)
    if isinstance(value, Rows) and _is_relative(value.path):
        if _is_there(Path(value.path)) and not _is_there(folder / value.path):
            elsewhere.append(value.path)
        else:
            changed["base"] = str(folder)
    return value.model_copy(update=changed) if changed else value


def _is_relative(path: str) -> bool:
    remote = "://" in path or path.startswith((HUB_PREFIX, ASSET_PREFIX)) or path == PYTHON_DOCS
    return not remote and not Path(path).is_absolute()


def _is_there(path: Path) -> bool:
    """Whether a path, or a glob, stands for anything."""
    if path.exists():
        return True
    if not any(sign in str(path) for sign in "*?["):
        return False
    whole = path.absolute()
    return next(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))), None) is not None


def _lake(named: Path, folder: Path) -> Path:
    """Where a lake lies: the nearest one at or above the folder of the task file, else beside the task file."""
    if ".." in named.parts or named.is_absolute():
        return Path(os.path.normpath(folder / named))
    for at in (folder, *folder.parents):
        if at != folder and at.stat().st_mode & stat.S_ISVTX:  # a folder for everybody, such as /tmp
            break
        if (at / named).is_dir():
            return at / named
        if (at / ".git").exists() or at == Path.home():
            break
    return folder / named
