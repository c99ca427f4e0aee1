"""Looking at sources again and again: a version is found anew only where a file on the disk has changed.

Belongs here: what tells that a source may have changed, and what was found at the last look of this process. Does not:
how a version is found (`corpus/`), or what is asked for when it changes (`watch.py`).
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from getmore_assets.config import Source, Task
from getmore_assets.delta_versions import Seen

_State = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class _Look:
    """The version found for a task; `told_by` are the places whose state tells that it may be another one by now."""

    task: Task
    told_by: tuple[str, ...]
    state: _State
    version: str


class Looks:
    """The versions of what is watched.

    Args:
        sources_of: The sources of a task that are watched.
        version_of: Their version, by what they hold.
    """

    def __init__(
        self, sources_of: Callable[[Task], Iterable[Source | None]], version_of: Callable[[Task, Seen], str]
    ) -> None:
        self._sources_of, self._version_of = sources_of, version_of
        self._last: dict[str, _Look] = {}

    def version(self, task: Task, seen: Seen) -> str:
        """Return the version of what is watched of a task; `seen` as in `readers.data_version`.

        Raises:
            BadInput: A source cannot be read.
            OSError: As before.
        """
        last = self._last.get(task.name)
        if last and last.task is task and last.state == _state(last.told_by):
            return last.version
        told_by = _told_by(source for source in self._sources_of(task) if source)
        state = _state(told_by) if told_by else None  # before the version, so that a change meanwhile is not missed
        version = self._version_of(task, seen)
        if told_by and state:
            self._last[task.name] = _Look(task, told_by, state, version)
        return version


def _told_by(sources: Iterable[Source]) -> tuple[str, ...] | None:
    """Return the files, and the logs of Delta tables, that change with the sources; None where that is not all."""
    places = []
    for source in sources:
        log = Path(source.place, "_delta_log")
        place = log if log.is_dir() else Path(source.place)
        if place != log and not place.is_file():
            return None
        places.append(str(place))
    return tuple(places)


def _state(places: tuple[str, ...]) -> _State | None:
    """Return what changes when a file is written to, or a commit comes to a log; None where one is gone."""
    try:
        found = [os.stat(place) for place in places]  # noqa: PTH116 - quicker, and there may be thousands
    except OSError:
        return None
    return tuple((one.st_mtime_ns, one.st_ctime_ns, one.st_size, one.st_ino) for one in found)
