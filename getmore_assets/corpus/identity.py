"""What makes two texts the same row, and what makes two inputs the same input.

Belongs here: hashes. Does not: near-duplicates, which are a judgement (`duplicates.py`).
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
_LINES = 4096  # hashed at once


def content_id(text: str) -> str:
    """128-bit hash, in hex, of the text in NFC with white space folded."""
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def fingerprint(*parts: Any) -> str:
    """128-bit hash, in hex, of JSON-like values and pydantic models; the same values give the same hash anywhere."""

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json", exclude=getattr(value, "decides_nothing", None))
        return str(value)

    canonical = json.dumps(parts, default=plain, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=ID_BYTES).hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """128-bit hash, in hex, of a sequence of strings; their order counts."""
    state, rest = hashlib.blake2b(digest_size=ID_BYTES), iter(lines)
    while some := list(islice(rest, _LINES)):
        state.update("\n".join([*some, ""]).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def file_hash_once(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex: the file is read anew only when its size, time or inode has changed."""
    now = path.stat()
    return _hash_of_state(path.absolute(), now.st_size, now.st_mtime_ns, now.st_ino)


@lru_cache(maxsize=100_000)
def _hash_of_state(path: Path, _size: int, _changed_ns: int, _inode: int) -> str:
    return file_hash(path)


def draw(id_: str, salt: str) -> float:
    """A number in [0, 1) that depends on nothing but the id and the salt: sampling that any worker repeats."""
    digest = hashlib.blake2b(id_.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def draws(ids: pl.Series, salt: str) -> np.ndarray:
    """The draw of each id: `[len(ids)]`, float64, with no list of them beside it."""
    return np.fromiter((draw(id_, salt) for id_ in ids), np.float64, len(ids))
