"""The paths in a task file, which are relative to the file's folder.

Belongs here: finding the folder from which each relative path of a task starts. Does not: opening files
(`corpus/file_lists.py`, `models.py`).

If a path exists only relative to the working directory, as in task files of earlier versions, it is read from there
with a warning. A lake without `..` in its path is searched beside the task file and in the folders above it, as git
searches `.git`; if there is none, it is created beside the task file.
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

#: The fields with the name of a model, which may be a folder.
_MODELS = {(Encoder, "model"), (BaseModelChoice, "model"), (Toxicity, "classifier")}


def relative_to_file(task: Task, file: Path) -> Task:
    """Return the task with every relative path resolved from the folder of its file.

    Args:
        task: The task as written in the file.
        file: The task file. If its folder is the working directory, sources and models stay as they are written.
    """
    here, folder = Path.cwd(), file.absolute().parent
    folder = here if folder.samefile(here) else folder.resolve()
    if not is_on_store(task.lake):
        lake = _lake(Path(task.lake), folder)
        if lake != Path(task.lake).absolute():
            task = task.model_copy(update={"lake": str(lake)})
    if folder == here:
        return task
    from_here: list[str] = []
    resolved = _resolved(task, folder, from_here)
    assert isinstance(resolved, Task)
    if from_here:
        log.warning(
            "%s: not found beside the task file, so read from the working directory: %s. Paths are relative to the "
            "task file's folder: write them so, or run from there",
            file,
            ", ".join(from_here[:3]) + (", …" if len(from_here) > 3 else ""),
        )
    return resolved


def _resolved(value: Any, folder: Path, from_here: list[str]) -> Any:
    """Return a value of a task with the paths in it resolved; add paths read from the working directory to a list."""
    if isinstance(value, list):
        return [_resolved(item, folder, from_here) for item in value]
    if isinstance(value, dict):
        return {name: _resolved(item, folder, from_here) for name, item in value.items()}
    if not isinstance(value, Section):
        return value
    changed = {}
    for name in type(value).model_fields:
        old = getattr(value, name)
        new = _resolved(old, folder, from_here)
        if new != old:
            changed[name] = new
        elif (type(value), name) in _MODELS and not Path(old).exists() and (folder / old).is_dir():
            changed[name] = str(folder / old)
    if isinstance(value, Rows) and _is_relative(value.path):
        if _exists(Path(value.path)) and not _exists(folder / value.path):
            from_here.append(value.path)
        else:
            changed["base"] = str(folder)
    return value.model_copy(update=changed) if changed else value


def _is_relative(path: str) -> bool:
    remote = "://" in path or path.startswith((HUB_PREFIX, ASSET_PREFIX)) or path == PYTHON_DOCS
    return not remote and not Path(path).is_absolute()


def _exists(path: Path) -> bool:
    """Return whether a path exists, or a glob matches a path."""
    if path.exists():
        return True
    if not any(sign in str(path) for sign in "*?["):
        return False
    whole = path.absolute()
    return next(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))), None) is not None


def _lake(path: Path, folder: Path) -> Path:
    """Return the path of a lake: the nearest at or above the folder of the task file, else beside the task file."""
    if ".." in path.parts or path.is_absolute():
        return Path(os.path.normpath(folder / path))
    for parent in (folder, *folder.parents):
        if parent != folder and parent.stat().st_mode & stat.S_ISVTX:  # a shared folder, such as /tmp
            break
        if (parent / path).is_dir():
            return parent / path
        if (parent / ".git").exists() or parent == Path.home():
            break
    return folder / path
