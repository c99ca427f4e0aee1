"""A cache of data versions: a sensor reads a source again only after a file of the source has changed.

Belongs here: the state of a source's files, and the version read in that state. Does not: reading a version
(`corpus/`), or which targets to run (`sensor_state.py`).
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from getmore_assets.config import Source, Task
from getmore_assets.delta_versions import Seen

_State = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class _Entry:
    """The data version of a task's sources, with the paths that were read and their state at that time."""

    task: Task
    paths: tuple[str, ...]
    state: _State
    version: str


class VersionCache:
    """The data versions of tasks' sources.

    Args:
        sources_of: Returns the watched sources of a task.
        version_of: Returns the data version of these sources.
    """

    def __init__(
        self, sources_of: Callable[[Task], Iterable[Source | None]], version_of: Callable[[Task, Seen], str]
    ) -> None:
        self._sources_of, self._version_of = sources_of, version_of
        self._entries: dict[str, _Entry] = {}

    def version(self, task: Task, seen: Seen) -> str:
        """Return the data version of a task's sources; `seen` as in `readers.data_version`.

        Raises:
            BadInput: A source cannot be read.
            OSError: Likewise.
        """
        last = self._entries.get(task.name)
        if last and last.task is task and last.state == _state(last.paths):
            return last.version
        paths = _paths(source for source in self._sources_of(task) if source)
        state = _state(paths) if paths else None  # before reading, so that a change meanwhile is not missed
        version = self._version_of(task, seen)
        if paths and state:
            self._entries[task.name] = _Entry(task, paths, state, version)
        return version


def _paths(sources: Iterable[Source]) -> tuple[str, ...] | None:
    """Return the sources' files and Delta logs; None if a source is neither a file nor a Delta table."""
    paths = []
    for source in sources:
        log = Path(source.place, "_delta_log")
        path = log if log.is_dir() else Path(source.place)
        if path != log and not path.is_file():
            return None
        paths.append(str(path))
    return tuple(paths)


def _state(paths: tuple[str, ...]) -> _State | None:
    """Return times, size and inode of each path; None if a path is gone."""
    try:
        stats = [os.stat(path) for path in paths]  # noqa: PTH116 - quicker, and there may be thousands
    except OSError:
        return None
    return tuple((stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino) for stat in stats)
