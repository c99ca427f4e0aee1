"""Hashes: content ids of texts, cache keys of settings, hashes of files, and sampling by hash.

Belongs here: exact identity. Does not: near-duplicates (`duplicates.py`).
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel

ID_BYTES = 16
_BATCH = 4096  # lines


def content_id(text: str) -> str:
    """Return a 128-bit hash, in hex, of the text in NFC with white space folded."""
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def fingerprint(*parts: Any) -> str:
    """Return a 128-bit hash, in hex, of JSON-like values and pydantic models; it is the same on any machine."""

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json", exclude=getattr(value, "decides_nothing", None))
        return str(value)

    canonical = json.dumps(parts, default=plain, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=ID_BYTES).hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """Return a 128-bit hash, in hex, of a sequence of strings in their order."""
    state = LinesHash()
    state.add(lines)
    return state.value


class LinesHash:
    """A 128-bit hash of a sequence of strings, which are given in parts."""

    def __init__(self) -> None:
        self._state = hashlib.blake2b(digest_size=ID_BYTES)

    def add(self, lines: Iterable[str]) -> None:
        """Add strings to the end of the sequence."""
        rest = iter(lines)
        while batch := list(islice(rest, _BATCH)):
            self._state.update("\n".join([*batch, ""]).encode("utf-8", "surrogatepass"))

    @property
    def value(self) -> str:
        """The hash of all strings so far, in hex."""
        return self._state.hexdigest()


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return the hash of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def file_hash_once(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex; the file is read again only if size, time or inode changed."""
    now = path.stat()
    return _hash_of_state(path.absolute(), now.st_size, now.st_mtime_ns, now.st_ino)


@lru_cache(maxsize=100_000)
def _hash_of_state(path: Path, _size: int, _changed_ns: int, _inode: int) -> str:
    return file_hash(path)


def sampling_number(id_: str, salt: str) -> float:
    """Return a number in [0, 1) that depends on id and salt only, for sampling that any worker can repeat."""
    digest = hashlib.blake2b(id_.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def sampling_numbers(ids: pl.Series, salt: str) -> np.ndarray:
    """Return the `sampling_number` of each id: `[len(ids)]`, float64."""
    return np.fromiter((sampling_number(id_, salt) for id_ in ids), np.float64, len(ids))
