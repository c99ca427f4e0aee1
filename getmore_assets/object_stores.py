"""Object stores (`s3://`, `gs://`, `az://`) and web servers: clients, copying a file, and messages for errors.

Belongs here: code that `remote_files.py` (sources and exports) and a lake on a store share. Does not: which files are
copied. Credentials come from the environment (each store's own variables) and are not logged.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from getmore_assets.errors import BadInput

_Found = TypeVar("_Found")
LAKES = ("s3://", "gs://", "az://")  # the schemes of stores that can have a lake
_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_", "GCP_")  # prefixes of environment variables that clients read
_ATTEMPTS = 4  # attempts to copy a file; each resumes where the one before stopped
_CLIENT = {"connect_timeout": "10s", "timeout": "600s"}
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
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


def is_on_store(root: str | Path) -> bool:
    """Return whether a lake or a table is on a store."""
    return str(root).startswith(LAKES)


def split(url: str) -> tuple[str, str]:
    """Return the scheme with bucket or host, and the key; refuse logins, which would appear in names of local files."""
    scheme, _, rest = url.partition("://")
    host, _, key = rest.partition("/")
    if "@" in host:
        raise BadInput(url, "contains a login", "Remove it, and set the credentials in the environment")
    if not host or ".." in key.split("/"):
        raise BadInput(url, "is not the address of a file, folder or glob", "Write it as s3://bucket/folder/file.jsonl")
    return f"{scheme}://{host}", key.strip("/")


def store_of(root: str) -> Any:
    """Return the client of a store; names of objects are relative to `root`, which may have a key."""
    return _opened(root, environment())


def environment() -> tuple[tuple[str, str], ...]:
    """Return the environment variables of this process that clients of stores read."""
    return tuple(sorted(one for one in os.environ.items() if one[0].startswith(_VARIABLES)))


def is_conflict(error: Exception) -> bool:
    """Return whether a conditional write failed because the object exists, or has another version."""
    return type(error).__name__ in ("AlreadyExistsError", "PreconditionError")


def is_missing(error: Exception) -> bool:
    """Return whether a request failed because the object does not exist."""
    return isinstance(error, FileNotFoundError) or type(error).__name__ == "NotFoundError"


def delta_options(path: str) -> dict[str, str] | None:
    """Return the options with which deltalake and polars open a table; None for a local table."""
    if "://" not in path:
        return None
    return {"allow_http": "true"} if _is_plain(path) else {}


def _is_plain(root: str) -> bool:
    """Return whether a store has an address without TLS, such as a server on loopback."""
    endpoints = (os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    return root.startswith("http://") or any(one.startswith("http://") for one in endpoints)


@lru_cache(maxsize=32)
def _opened(root: str, _environment: tuple[tuple[str, str], ...]) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        fix = "Install the extra: pip install 'getmore-assets[places]'"
        raise BadInput(root, "needs the `obstore` package, which is not installed", fix) from None
    settings: dict[str, Any] = {"client_options": {**_CLIENT, "allow_http": _is_plain(root)}, "retry_config": _RETRIES}
    return from_url(root, **settings)


@contextmanager
def errors_of(where: str) -> Iterator[None]:
    """Turn errors of a store into `BadInput` with the reason and what to do."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # each store has its own classes of errors
        what, fix = _reason(error)
        raise BadInput(where, f"cannot be read or written: {what}", fix) from None  # hide signed URLs


def _reason(error: Exception) -> tuple[str, str]:
    words = f"{type(error).__name__} {error}"
    return next(((what, fix) for marks, what, fix in _FIXES if any(mark in words for mark in marks)), _OTHER)


def repeated(read: Callable[[], _Found]) -> _Found:
    """Return the answer to a request. If it was cut off, send the request again, which clients do not do themselves.

    Raises:
        Exception: The store's own error, of another kind or after several attempts.
    """
    for _ in range(1, _ATTEMPTS):
        try:
            return read()
        except Exception as error:  # each store has errors of its own
            if is_conflict(error) or _reason(error) != _OTHER:
                raise
    return read()


def copy(root: str, name: str, version: str, size: int, to: Path) -> None:
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
            except Exception as error:  # each store has its own classes of errors
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
        for chunk in store_of(root).get(name, options=options).stream():
            file.write(chunk)
