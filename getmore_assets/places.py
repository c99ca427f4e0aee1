"""Remote files: copied to this machine by ETag, so that every reader works on a local file.

Belongs here: `s3://`, `gs://`, `az://`, `https://` and `file://`: listing, copying, resuming, writing back, and their
error messages. Credentials come from the environment (each store's own variables) and are not logged. Does not:
what a folder or glob means (`corpus/file_lists.py`), or data sets of the hub
(`corpus/hugging_face.py`).
"""

import fnmatch
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from filelock import FileLock

from getmore_assets.corpus.identity import file_hash
from getmore_assets.errors import BadInput
from getmore_assets.records import write_atomically

_SCHEMES = ("s3://", "gs://", "az://", "https://", "http://")
_FILE = "file://"
_ATTEMPTS = 4  # attempts to copy a file; each resumes where the one before stopped
_CLIENT = {"connect_timeout": "10s", "timeout": "600s"}
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_WILD = "*?["
_FIXES = (
    (("NoSuchBucket", "ContainerNotFound", "bucket does not exist"), "there is no such bucket", "Correct its name"),
    (
        (
            "403 Forbidden",
            "401 Unauthorized",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AccessDenied",
            "Unauthenticated",
            "Permission",
        ),
        "access was refused: a wrong key, or no right to read",
        "Set the store's credentials in the environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (("404 Not Found", "NotFound"), "no such file", "Correct the path"),
    (
        ("169.254.169.254", "metadata.google", "CredentialProvider"),
        "no credentials were found in the environment",
        "Set the store's credentials, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        ("error sending request", "dns", "connect"),
        "the server cannot be reached",
        "Check the host's name, the network, and an endpoint in the environment (as AWS_ENDPOINT_URL)",
    ),
)
_OTHER = "the connection was lost or the server failed", "Try again"


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
    root, key = _split(path)
    mirror, state = _mirror(root), _cache() / "state" / f"{root.replace('://', '-').replace('/', '-')}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{state}.lock"):
        known = json.loads(state.read_text("utf-8")) if state.is_file() else {}
        there = _listed(path, root, key)
        for name, (version, size) in there.items():
            if known.get(name) != version or not (mirror / name).is_file():
                _copy(root, name, version, size, mirror / name)
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
    root, key = _split(folder)
    with tempfile.TemporaryDirectory(prefix="getmore-") as made:
        before = _listed(folder, root, key, may_be_empty=True)
        for name, (version, size) in before.items():
            _copy(root, name, version, size, Path(made) / name)
        copied = _hashes(Path(made))
        (Path(made) / key).mkdir(parents=True, exist_ok=True)
        yield Path(made) / key
        after = _hashes(Path(made))
        with _said(folder):
            store = _store(root)
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


def _split(url: str) -> tuple[str, str]:
    """Return the scheme with bucket or host, and the key; refuse logins, which would get into names of local files."""
    scheme, _, rest = url.partition("://")
    host, _, key = rest.partition("/")
    if "@" in host:
        raise BadInput(url, "holds a login", "Take it out, and give the credentials in the environment")
    if not host or ".." in key.split("/"):
        raise BadInput(url, "is not the address of a file, folder or glob", "Write it as s3://bucket/folder/file.jsonl")
    return f"{scheme}://{host}", key.strip("/")


def _store(root: str) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        fix = "Install the extra: pip install 'getmore-assets[places]'"
        raise BadInput(root, "needs the `obstore` package, which is not installed", fix) from None
    plain = root.startswith("http://") or any(
        os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    )
    settings: dict[str, Any] = {"client_options": {**_CLIENT, "allow_http": plain}, "retry_config": _RETRIES}
    return from_url(root, **settings)


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Turn errors of a store into refusals that say why and what to do."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # each store has errors of its own
        what, fix = _reason(error)
        raise BadInput(where, f"cannot be read or written: {what}", fix) from None  # hide signed URLs


def _reason(error: Exception) -> tuple[str, str]:
    words = f"{type(error).__name__} {error}"
    return next(((what, fix) for marks, what, fix in _FIXES if any(mark in words for mark in marks)), _OTHER)


def _listed(url: str, root: str, key: str, may_be_empty: bool = False) -> dict[str, tuple[str, int]]:
    """Return the files of a URL: by key, the version (ETag, or time and size) and the size in bytes."""
    with _said(url):
        store = _store(root)
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


def _copy(root: str, name: str, version: str, size: int, to: Path) -> None:
    """Copy one file atomically.

    Raises:
        BadInput: The copy is still incomplete after several attempts.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f".{to.name}.partial")
    partial.unlink(missing_ok=True)
    url = f"{root}/{name}"
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _append(root, name, version, size, partial)
            except Exception as error:  # each store has errors of its own
                what, fix = _reason(error)
                if (what, fix) != _OTHER or attempt == _ATTEMPTS:
                    have = partial.stat().st_size if partial.is_file() else 0
                    what = f"cannot be read: {what} ({have:,} of {size:,} bytes came, in {attempt} attempts)"
                    raise BadInput(url, what, fix) from None
            else:
                break
        if (have := partial.stat().st_size) != size:
            raise BadInput(url, f"has {have:,} bytes, but its size is given as {size:,}", "Write the file again")
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)


def _append(root: str, name: str, version: str, size: int, partial: Path) -> None:
    """Append the missing bytes of a file, all of the same version."""
    with partial.open("ab") as file:
        start = file.tell()
        if start >= size:
            return
        options: dict[str, Any] = {"range": {"offset": start}} if start else {}
        if version.startswith('"'):
            options["if_match"] = version
        for chunk in _store(root).get(name, options=options).stream():
            file.write(chunk)
