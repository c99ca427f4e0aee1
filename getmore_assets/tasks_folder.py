"""The folder of task files: which targets it describes, and what is wrong with the entries that describe none.

Belongs here: an index from names to files, kept in this process by the state (time, size, inode) of each file, so that
a file is read once for each change of it. Does not: reading one task file (`task_files.py`).
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from getmore_assets import safe_yaml
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.task_files import load_task

SUFFIXES = (".yaml", ".yml")
_State = tuple[int, int, int, int]
_Entry = tuple[str, _State]


@dataclass(frozen=True)
class TaskFile:
    """A task file and the task that it describes."""

    path: Path
    task: Task


@dataclass(frozen=True)
class TaskFiles:
    """All task files of a folder.

    Attributes:
        by_name: The files that load, by the name of the task; a name that two files share is left out.
        problems: One sentence for each entry that is left out, and for each name that several files share.
    """

    by_name: dict[str, TaskFile]
    problems: list[str]


def tasks_folder() -> Path:
    """Return where task files lie: `GETMORE_TASKS`, or `tasks/` under the working directory."""
    return Path(os.environ.get("GETMORE_TASKS", "tasks"))


def read_folder(folder: Path) -> TaskFiles:
    """Load every task file of a folder; an entry that does not load is a problem and hides no other entry."""
    try:
        return _read(folder, _entries(folder))
    except OSError as error:
        return TaskFiles({}, [f"{folder}: cannot be read ({error.strerror}). Correct GETMORE_TASKS"])


@lru_cache(maxsize=4)
def _read(folder: Path, entries: tuple[_Entry, ...]) -> TaskFiles:
    found, problems = dict[str, list[TaskFile]](), list[str]()
    for name, state in entries:
        loaded = _loaded(folder / name, state)
        if isinstance(loaded, str):
            problems.append(loaded)
        else:
            found.setdefault(loaded.task.name, []).append(loaded)
    problems += [str(_shared(name, [file.path for file in files])) for name, files in found.items() if len(files) > 1]
    return TaskFiles({name: files[0] for name, files in found.items() if len(files) == 1}, problems)


def find_task_file(name: str, folder: Path) -> Path:
    """Return the task file of a name. Only files that hold the name are parsed.

    Raises:
        BadInput: No file, or several files, of the folder have that name, or the folder cannot be read.
    """
    try:
        return _find(name, folder, _entries(folder))
    except OSError as error:
        raise BadInput(str(folder), f"cannot be read ({error.strerror})", "Correct GETMORE_TASKS") from None


@lru_cache(maxsize=16)
def _find(name: str, folder: Path, entries: tuple[_Entry, ...]) -> Path:
    paths = {folder / file: state for file, state in entries if _names(name, folder / file, state)}
    if len(paths) > 1:
        # A file that does not load does not compete with files that load.
        loading = [path for path, state in paths.items() if isinstance(_loaded(path, state), TaskFile)]
        if len(loading) != 1:
            raise _shared(name, list(paths))
        return loading[0]
    if not paths:
        fix = "Put its task file there, or set GETMORE_TASKS to the folder where it is"
        raise BadInput(f"target `{name}`", f"no task file in {folder}/ has this name", fix)
    return next(iter(paths))


def _entries(folder: Path) -> tuple[_Entry, ...]:
    """Return the entries that are called as task files are, in order of name, with what changes when they change."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIXES):
                    try:
                        now = entry.stat()
                    except OSError:  # a link that leads nowhere, or a loop: reading it says so
                        found.append((entry.name, (0, 0, 0, 0)))
                    else:
                        found.append((entry.name, (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)))
    except FileNotFoundError:
        return ()
    return tuple(sorted(found))


@lru_cache(maxsize=10_000)
def _loaded(path: Path, _state: _State) -> TaskFile | str:
    """Return the file with its task, or why it does not load."""
    try:
        return TaskFile(path, load_task(path))
    except BadInput as error:
        return str(error)


def _names(name: str, path: Path, state: _State) -> bool:
    """Return whether a file gives its task this name; only a file that holds the word is parsed."""
    words = _words(path, state)
    return (words is None or name in words) and _name(path, state) == name


@lru_cache(maxsize=10_000)
def _name(path: Path, _state: _State) -> str | None:
    """Return the name that a file gives its task, also where the task is not valid; None where it gives none."""
    try:
        raw = safe_yaml.read(path)
    except (OSError, ValueError):
        return None
    return raw.get("name") if isinstance(raw, dict) else None


@lru_cache(maxsize=10_000)
def _words(path: Path, _state: _State) -> frozenset[str] | None:
    """Return the words of a file that can be the name of a task; None where an escape of YAML may hide one."""
    try:
        text = safe_yaml.content_of(path).decode("utf-8")
    except (OSError, ValueError):
        return frozenset()
    return None if "\\" in text else frozenset(re.findall(r"[A-Za-z0-9_-]+", text))


def _shared(name: str, paths: list[Path]) -> BadInput:
    """Return the refusal of a name that several files give their task."""
    places = []
    for path in paths:
        line = safe_yaml.line_of(safe_yaml.content_of(path).decode("utf-8"), "name")
        places.append(f"{path}:{line}" if line else str(path))
    what = f"name the same target, `{name}`, so none of them is used"
    return BadInput(" and ".join(places), what, "Give each file a name of its own, or remove the others")
