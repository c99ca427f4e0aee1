"""The mirror: a local copy of the files of a lake on an object store. Tables have no copy; they are used on the store.

Belongs here: fetching and uploading the files that differ. Does not: when to do so (`lake.py`, `records.py`), or leases
(`leases.py`).

An upload succeeds only if the file on the store is still the version that was fetched, so no machine overwrites a file
of another machine.
"""

import hashlib
import json
import os
import time
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from getmore_assets.errors import BadInput
from getmore_assets.object_stores import (
    copy,
    environment,
    errors_of,
    is_conflict,
    is_missing,
    repeated,
    split,
    store_of,
)

_STATE = ".mirror"  # the local folder with the state of the mirror
_PROBES = "locks/probes"
_FIGURES = "figures"
_AT_ONCE = 2**26  # bytes; a larger file is uploaded in parts without a condition, because its name contains a hash

#: The state of a file at the last fetch or upload: its ETag on the store, and its local size and time.
_Known = dict[str, tuple[str, int, int]]


def mirror_of(url: str) -> "Mirror":
    """Return the mirror of the lake at a URL; the same object within a process."""
    root, key = split(url)
    return _opened(f"{root}/{key}".rstrip("/"), _folder(f"{root}/{key}".rstrip("/")), environment())


@lru_cache(maxsize=16)
def _opened(url: str, folder: Path, _environment: tuple[tuple[str, str], ...]) -> "Mirror":
    return Mirror(url, folder)


def _folder(url: str) -> Path:
    """Return the folder of a mirror, named by URL and endpoint: two servers may have buckets of the same name."""
    where = os.environ.get("GETMORE_MIRROR") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/getmore"
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    name = hashlib.sha256(f"{endpoint} {url}".encode()).hexdigest()[:16]
    return Path(where).expanduser().absolute() / name


class Mirror:
    """The local folder of a lake on a store.

    Args:
        url: The root of the lake.
        root: The local folder.
    """

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root
        self._state = root / _STATE
        self._state.mkdir(parents=True, exist_ok=True)
        (self._state / "url").write_text(f"{url}\n", "utf-8")
        self._pulled: dict[str, float] = {}
        self._honours = False

    @property
    def store(self) -> Any:
        """The client of the store; names are relative to the root of the lake."""
        return store_of(self.url)

    @property
    def id(self) -> str:
        """A unique id of this folder."""
        file = self._state / "id"
        if not file.is_file():
            with self._locked():
                if not file.is_file():
                    file.write_text(uuid.uuid4().hex, "utf-8")
        return file.read_text("utf-8")

    def require_conditions(self) -> None:
        """Refuse a store that cannot be written to, or that ignores conditions of writes.

        Raises:
            BadInput: The message names the reason.
        """
        if self._honours:
            return
        name = f"{_PROBES}/{uuid.uuid4().hex}"
        with errors_of(self.url):
            self.store.put(name, b"", mode="create", use_multipart=False)
            try:
                self.store.put(name, b"again", mode="create", use_multipart=False)
            except Exception as error:
                if not is_conflict(error):
                    raise
                self._honours = True
            finally:
                self.store.delete(name)
        if not self._honours:
            fix = "Use a store that honours If-None-Match, such as S3, or a lake in a folder"
            raise BadInput(f"lake {self.url}", "is on a store that ignores the conditions of writes", fix)

    def pull(self, *folders: str, within: float = 0.0, deleted: bool = True) -> None:
        """Fetch the files of folders that changed on the store, and delete those that were deleted there.

        Args:
            folders: Folders or files, relative to the root of the lake.
            within: Seconds; folders that were fetched more recently are not fetched again.
            deleted: Whether to fetch files again that were deleted here.

        Raises:
            BadInput: The store cannot be reached, or refuses access.
        """
        now = time.monotonic()
        due = [one for one in folders if not within or now - self._pulled.get(one, -within) >= within]
        if not due:
            return
        with errors_of(self.url), self._locked():
            known, changed = self._known(), False
            for folder in due:
                there = self.listed(folder)
                for name, (tag, size) in there.items():
                    file = self.root / name
                    if known.get(name, ("",))[0] != tag or (deleted and not file.is_file()):
                        copy(self.url, name, tag, size, file)
                        known[name] = (tag, *_stat(file))
                        changed = True
                for name in [one for one in known if _is_in(folder, one) and one not in there]:
                    (self.root / name).unlink(missing_ok=True)
                    del known[name]
                    changed = True
                self._pulled[folder] = now
            if changed:
                self._keep(known)

    def push(self, *folders: str, delete: bool = False) -> None:
        """Upload the files of folders that were changed here since the last fetch or upload, oldest first.

        Args:
            folders: Folders or files, relative to the root of the lake.
            delete: Whether to delete from the store the files that were deleted here.

        Raises:
            BadInput: Another machine wrote one of the files meanwhile, or the store cannot be reached.
        """
        with errors_of(self.url), self._locked():
            known = self._known()
            others: list[str] = []
            files = {name: stat for folder in folders for name, stat in self._local(folder).items()}
            for name, stat in sorted(files.items(), key=lambda one: one[1][1]):
                if name not in known or known[name][1:] != stat:
                    tag, is_ours = self._put(name, known[name][0] if name in known else None)
                    known[name] = (tag, *_stat(self.root / name))
                    self._keep(known)
                    # Another machine's figure shows the same result; only seconds in it may differ.
                    others += [] if is_ours or _is_in(_FIGURES, name) else [name]
            if others:
                what = "another machine wrote it meanwhile"
                raise BadInput(f"{self.url}/{others[0]}", what, "Run again: the run starts from that version")
            gone = [one for one in known if one not in files and any(_is_in(folder, one) for folder in folders)]
            if delete and gone:
                self.store.delete(gone)
                self._keep({name: what for name, what in known.items() if name not in gone})

    def is_ahead(self, *names: str) -> bool:
        """Return whether one of these files was changed here since the last fetch or upload."""
        known = self._known()
        files = {name: self.root / name for name in names}
        return any(file.is_file() and known.get(name, ("",))[1:] != _stat(file) for name, file in files.items())

    def listed(self, folder: str) -> dict[str, tuple[str, int]]:
        """Return the ETag and size of each file in a folder on the store, or of the file of that name."""
        objects = repeated(lambda: list(self.store.list(folder).collect()))
        if not objects:
            try:
                objects = [repeated(lambda: self.store.head(folder))]
            except Exception as error:
                if not is_missing(error):
                    raise
        return {one["path"]: (one["e_tag"] or str(one["last_modified"]), one["size"]) for one in objects}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders that the store has in a folder."""
        with errors_of(self.url):
            found = repeated(lambda: self.store.list_with_delimiter(folder)["common_prefixes"])
        return sorted(one.rpartition("/")[2] for one in found)

    def _put(self, name: str, tag: str | None) -> tuple[str, bool]:
        """Upload a file in place of the version with an ETag (None: a new file).

        Returns:
            The ETag on the store, and whether the store has this file; if not, another machine's file replaced it here.
        """
        file = self.root / name
        if file.stat().st_size > _AT_ONCE:
            return str(self.store.put(name, file)["e_tag"]), True
        body = file.read_bytes()
        try:
            mode: Any = {"e_tag": tag} if tag else "create"
            return str(self.store.put(name, body, mode=mode, use_multipart=False)["e_tag"]), True
        except Exception as error:
            if not is_conflict(error):
                raise
            other = self._other(name)
            if other is None:  # deleted on the store
                return str(self.store.put(name, body, mode="create", use_multipart=False)["e_tag"]), True
            if other[0] == body:  # this upload, whose answer was lost, or the same file of another machine
                return other[1], True
            partial = file.with_name(f".{file.name}.{uuid.uuid4().hex}.partial")
            partial.write_bytes(other[0])
            partial.replace(file)
            return other[1], False

    def _other(self, name: str) -> tuple[bytes, str] | None:
        """Return the body and the ETag of an object on the store, or None."""
        try:
            return repeated(lambda: self._got(name))
        except Exception as error:
            if is_missing(error):
                return None
            raise

    def _got(self, name: str) -> tuple[bytes, str]:
        answer = self.store.get(name)
        return bytes(answer.bytes()), str(answer.meta["e_tag"])

    def _local(self, folder: str) -> dict[str, tuple[int, int]]:
        """Return the local files in a folder, or the file of that name, with size and time."""
        place = self.root / folder
        files = [place] if place.is_file() else place.rglob("*")
        names = {one.relative_to(self.root).as_posix(): one for one in files if one.is_file()}
        return {name: _stat(one) for name, one in names.items() if not _is_hidden(name)}

    def _locked(self) -> FileLock:
        return FileLock(self._state / "lock")

    def _known(self) -> _Known:
        file = self._state / "state.json"
        raw = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        return {name: (tag, size, changed) for name, (tag, size, changed) in raw.items()}

    def _keep(self, known: _Known) -> None:
        partial = self._state / "state.partial"
        partial.write_text(json.dumps(known), "utf-8")
        partial.replace(self._state / "state.json")


def _stat(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _is_in(folder: str, name: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def _is_hidden(name: str) -> bool:
    """Return whether a file is incomplete, or belongs to this machine only."""
    return any(part.startswith(".") for part in name.split("/"))
