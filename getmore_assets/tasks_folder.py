"""The folder of task files: its targets, and the errors in files that cannot be loaded.

Belongs here: an index from names to files. It is cached in this process by the state (time, size, inode) of each file,
so that a file is read again only when it changes. Does not: reading one task file (`task_parsing.py`).
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from getmore_assets import safe_yaml
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task

SUFFIXES = (".yaml", ".yml")
_State = tuple[int, int, int, int]
_Entry = tuple[str, _State]


@dataclass(frozen=True)
class TaskFile:
    """A task file and its task."""

    path: Path
    task: Task


@dataclass(frozen=True)
class TaskFiles:
    """All task files of a folder.

    Attributes:
        by_name: The files that can be loaded, by the name of the task; names that several files share are left out.
        problems: A sentence for each file that cannot be loaded, and for each name that several files share.
    """

    by_name: dict[str, TaskFile]
    problems: list[str]


def tasks_folder() -> Path:
    """Return the folder of task files: `GETMORE_TASKS`, or `tasks/` in the working directory."""
    return Path(os.environ.get("GETMORE_TASKS", "tasks"))


def read_folder(folder: Path) -> TaskFiles:
    """Load every task file of a folder. A file that cannot be loaded is a problem and does not affect the others."""
    try:
        return _read(folder, _entries(folder))
    except OSError as error:
        return TaskFiles({}, [f"{folder}: cannot be read ({error.strerror}). Correct GETMORE_TASKS"])


@lru_cache(maxsize=4)
def _read(folder: Path, entries: tuple[_Entry, ...]) -> TaskFiles:
    by_name, problems = dict[str, list[TaskFile]](), list[str]()
    for name, state in entries:
        loaded = _loaded(folder / name, state)
        if isinstance(loaded, str):
            problems.append(loaded)
        else:
            by_name.setdefault(loaded.task.name, []).append(loaded)
    problems += [str(_shared(name, [file.path for file in files])) for name, files in by_name.items() if len(files) > 1]
    return TaskFiles({name: files[0] for name, files in by_name.items() if len(files) == 1}, problems)


def find_task_file(name: str, folder: Path) -> Path:
    """Return the task file with a name. Only files that contain the name are parsed.

    Raises:
        BadInput: No file or several files of the folder have the name, or the folder cannot be read.
    """
    try:
        return _find(name, folder, _entries(folder))
    except OSError as error:
        raise BadInput(str(folder), f"cannot be read ({error.strerror})", "Correct GETMORE_TASKS") from None


@lru_cache(maxsize=16)
def _find(name: str, folder: Path, entries: tuple[_Entry, ...]) -> Path:
    paths = {folder / file: state for file, state in entries if _names(name, folder / file, state)}
    if len(paths) > 1:
        # A file that cannot be loaded does not compete with files that can.
        valid = [path for path, state in paths.items() if isinstance(_loaded(path, state), TaskFile)]
        if len(valid) != 1:
            raise _shared(name, list(paths))
        return valid[0]
    if not paths:
        fix = "Put its task file there, or set GETMORE_TASKS to the folder where it is"
        raise BadInput(f"target `{name}`", f"no task file in {folder}/ has this name", fix)
    return next(iter(paths))


def _entries(folder: Path) -> tuple[_Entry, ...]:
    """Return the names of task files, sorted, with the state of each file."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIXES):
                    try:
                        stat = entry.stat()
                    except OSError:  # a broken link or a loop, which loading reports
                        found.append((entry.name, (0, 0, 0, 0)))
                    else:
                        found.append((entry.name, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)))
    except FileNotFoundError:
        return ()
    return tuple(sorted(found))


@lru_cache(maxsize=10_000)
def _loaded(path: Path, _state: _State) -> TaskFile | str:
    """Return the file with its task, or the message why it cannot be loaded."""
    try:
        return TaskFile(path, load_task(path))
    except BadInput as error:
        return str(error)


def _names(name: str, path: Path, state: _State) -> bool:
    """Return whether a file's task has this name; only a file that contains the word is parsed."""
    words = _words(path, state)
    return (words is None or name in words) and _name(path, state) == name


@lru_cache(maxsize=10_000)
def _name(path: Path, _state: _State) -> str | None:
    """Return the name of a file's task, even if the task is not valid; None without a name."""
    try:
        raw = safe_yaml.read(path)
    except (OSError, ValueError):
        return None
    return raw.get("name") if isinstance(raw, dict) else None


@lru_cache(maxsize=10_000)
def _words(path: Path, _state: _State) -> frozenset[str] | None:
    """Return the words of a file that can be the name of a task; None if a name may be written with YAML escapes."""
    try:
        text = safe_yaml.content_of(path).decode("utf-8")
    except (OSError, ValueError):
        return frozenset()
    return None if "\\" in text else frozenset(re.findall(r"[A-Za-z0-9_-]+", text))


def _shared(name: str, paths: list[Path]) -> BadInput:
    """Return the error for a name that several files share."""
    places = []
    for path in paths:
        line = safe_yaml.line_of(safe_yaml.content_of(path).decode("utf-8"), "name")
        places.append(f"{path}:{line}" if line else str(path))
    what = f"name the same target, `{name}`, so none of them is used"
    return BadInput(" and ".join(places), what, "Give each file a name of its own, or remove the others")
