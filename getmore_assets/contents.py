"""Hashes of files and folders, and whether their contents still match.

Belongs here: hashing a stage's files outside of tables, and checking them. Does not: tables (`lake.py`), or repairing
damage (`repair.py`).
"""

import hashlib
import json
from pathlib import Path

import polars as pl
from safetensors import safe_open

from getmore_assets.corpus.identity import file_hash

GONE = "is gone"
_ALWAYS_HASHED = 64 * 2**20  # bytes; larger files are not read at each check, but compared by size and time

#: `sha256` of the contents, and `stat`: sizes and times of the files when they were hashed.
Contents = dict[str, str]


def contents_of(path: Path) -> Contents:
    """Hash a file, or all files of a folder with their names."""
    return {"sha256": _hash(path), "stat": _stat(path)}


def wrong_with(path: Path, expected: Contents | None, deep: bool = False) -> str | None:
    """Return what is wrong with a file or folder, or None.

    Args:
        path: The file or folder.
        expected: Contents when the file or folder was written. None, in records of earlier versions: then only
            unreadable files count as wrong.
        deep: Whether to read large files even if their sizes and times are unchanged.
    """
    if not path.exists():
        return GONE
    if expected is None:
        return next((f"{one.name} cannot be read" for one in _files(path) if not _is_readable(one)), None)
    small = sum(one.stat().st_size for one in _files(path)) <= _ALWAYS_HASHED
    if not (small or deep) and _stat(path) == expected["stat"]:
        return None
    return None if _hash(path) == expected["sha256"] else "is not what was made"


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _hash(path: Path) -> str:
    if path.is_file():
        return file_hash(path)
    lines = (f"{one.relative_to(path).as_posix()} {file_hash(one)}\n" for one in _files(path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _stat(path: Path) -> str:
    said = ((one, one.stat()) for one in _files(path))
    return " ".join(f"{one.name}:{stat.st_size}:{stat.st_mtime_ns}" for one, stat in said)


def _is_readable(path: Path) -> bool:
    """Return whether a file can be read as the format that its suffix names."""
    try:
        if path.suffix == ".parquet":
            pl.read_parquet(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy"):
                pass
        elif path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".html":
            return path.read_text("utf-8").rstrip().endswith("</html>")
    except Exception:  # each reader has its own exceptions
        return False
    return path.stat().st_size > 0
