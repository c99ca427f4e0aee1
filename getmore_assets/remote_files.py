"""Copies of remote files: a source on an object store or HTTP server is copied to this machine, if its ETag is new.

Every reader then works on a local file. The copies are in `getmore-places`, in the folder `GETMORE_CACHE`,
`XDG_CACHE_HOME` or `~/.cache`.

Belongs here: listing, copying and writing back files of `s3://`, `gs://`, `az://`, `https://` and `file://`, and error
messages. Credentials come from the environment (each store's own variables) and are not logged. Does not: what a folder
or glob means (`corpus/file_lists.py`), or data sets of the hub (`corpus/hugging_face.py`).
"""

import fnmatch
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock

from getmore_assets.corpus.identity import file_hash
from getmore_assets.errors import BadInput
from getmore_assets.object_stores import copy, errors_of, split, store_of
from getmore_assets.records import write_atomically

_SCHEMES = ("s3://", "gs://", "az://", "https://", "http://")
_FILE = "file://"
_WILD = "*?["


def is_remote(path: str) -> bool:
    """Return whether a path is the URL of a remote place."""
    return path.startswith(_SCHEMES)


def local(path: str) -> Path:
    """Return the local path of a path or URL; remote files that changed are copied first.

    A URL means what the same local path would mean: a file, a folder, or a glob.

    Raises:
        BadInput: The place cannot be reached, refuses access, or does not have the file.
    """
    if path.startswith(_FILE):
        return _of_file_url(path)
    if not is_remote(path):
        return Path(path)
    root, key = split(path)
    mirror, state = _mirror(root), _cache() / "state" / f"{root.replace('://', '-').replace('/', '-')}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{state}.lock"):
        known = json.loads(state.read_text("utf-8")) if state.is_file() else {}
        there = _listed(path, root, key)
        for name, (version, size) in there.items():
            if known.get(name) != version or not (mirror / name).is_file():
                copy(root, name, version, size, mirror / name)
                known[name] = version
                write_atomically(state, json.dumps(known))
        gone = [name for name in known if _stands_for(key, name) and name not in there]
        for name in gone:
            (mirror / name).unlink(missing_ok=True)
            known.pop(name)
        if gone:
            write_atomically(state, json.dumps(known))
    return mirror / key


def _of_file_url(url: str) -> Path:
    """Return the path of a URL, in which `?` and `#` are part of file names."""
    host, slash, rest = url.removeprefix(_FILE).partition("/")
    if host not in ("", "localhost") or not slash:
        raise BadInput(url, f"names another machine, `{host}`", "Write file:///folder/file, with three slashes")
    return Path(f"/{unquote(rest)}")


def named(text: str) -> str:
    """Return a text in which paths of local copies are replaced by their URLs."""
    for scheme in _SCHEMES:
        text = text.replace(f"{_cache() / scheme.removesuffix('://')}/", scheme)
    return text


@contextmanager
def naming() -> Iterator[None]:
    """Replace paths of local copies by their URLs in refusals raised within the context.

    Raises:
        BadInput: The refusal, with URLs.
    """
    try:
        yield
    except BadInput as error:
        raise BadInput(named(error.where), named(error.what), error.fix) from error


@contextmanager
def writable(folder: str) -> Iterator[Path]:
    """Yield a local folder to write to; at the end of the context, its files are written to `folder`.

    Raises:
        BadInput: The place cannot be reached, or refuses access.
    """
    if not is_remote(folder):
        yield local(folder)
        return
    root, key = split(folder)
    with tempfile.TemporaryDirectory(prefix="getmore-") as made:
        before = _listed(folder, root, key, may_be_empty=True)
        for name, (version, size) in before.items():
            copy(root, name, version, size, Path(made) / name)
        copied = _hashes(Path(made))
        (Path(made) / key).mkdir(parents=True, exist_ok=True)
        yield Path(made) / key
        after = _hashes(Path(made))
        with errors_of(folder):
            store = store_of(root)
            for name in sorted(after):
                if copied.get(name) != after[name]:
                    store.put(name, Path(made) / name)
            store.delete(sorted(copied.keys() - after.keys()))


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def _cache() -> Path:
    given = os.environ.get("GETMORE_CACHE") or os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(given).expanduser().absolute() / "getmore-places"


def _mirror(root: str) -> Path:
    scheme, _, host = root.partition("://")
    return _cache() / scheme / host


def _listed(url: str, root: str, key: str, may_be_empty: bool = False) -> dict[str, tuple[str, int]]:
    """Return the files of a URL: by key, the version (ETag, or time and size) and the size in bytes."""
    with errors_of(url):
        store = store_of(root)
        if root.startswith("http"):
            files = [store.head(key)]
        else:
            folder = key if not any(mark in key for mark in _WILD) else _fixed(key)
            files = list(store.list(f"{folder}/" if folder else None).collect())
            files = [one for one in files if _stands_for(key, one["path"])]
            if not files and folder == key:
                files = [] if may_be_empty else [store.head(key)]
    if not files and not may_be_empty:
        raise BadInput(url, "no such file, folder or glob", "Correct the path")
    return {one["path"]: (one["e_tag"] or f"{one['last_modified']} {one['size']}", one["size"]) for one in files}


def _fixed(pattern: str) -> str:
    """Return the folders of a glob before its first part with a wildcard."""
    parts = pattern.split("/")
    first = next(number for number, part in enumerate(parts) if any(mark in part for mark in _WILD))
    return "/".join(parts[:first])


def _stands_for(key: str, name: str) -> bool:
    """Return whether a key means a file: the key is the file, a folder above it, or a glob that matches it."""
    return not key or name == key or name.startswith(f"{key}/") or _matches(key.split("/"), name.split("/"))


def _matches(pattern: list[str], parts: list[str]) -> bool:
    if not pattern or not parts:
        return pattern in ([], ["**"]) and not parts
    if pattern[0] == "**":
        return _matches(pattern[1:], parts) or _matches(pattern, parts[1:])
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])
