"""Small real files of every format, and what may have happened to one of them: for the fuzz of the readers.

Belongs here: writing the files, damaging one by a seed, and reading it. Does not: judging many (`test_fuzz.py`, and
`tests/drives/fuzz_readers.py`).
"""

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import polars as pl
import zstandard

from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.errors import BadInput

ROWS = [
    {"text": f"Row {n}: {word} and more of it.", "label": word, "domain": f"d{n % 3}"}
    for n, word in enumerate(["alpha", "béta", "猫", 'quoted "so"', "line\nend", "tab\tstop"] * 20)
]
TEXTS = {row["text"] for row in ROWS}


def _frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS)


def _text(path: Path) -> None:
    path.write_text("".join(f"{row['text']}\n" for row in ROWS), "utf-8")


def _jsonl_gz(path: Path) -> None:
    path.write_bytes(gzip.compress(_frame().write_ndjson().encode()))


def _jsonl_zst(path: Path) -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(_frame().write_ndjson().encode())
    path.write_bytes(packed)


def _dataset(path: Path) -> None:
    datasets.disable_progress_bars()
    datasets.Dataset.from_polars(_frame()).save_to_disk(str(path))


#: A file's or folder's name → how it is written.
WRITERS: dict[str, Callable[[Path], object]] = {
    "t.parquet": lambda path: _frame().write_parquet(path, row_group_size=40),
    "t.jsonl": lambda path: _frame().write_ndjson(path),
    "t.csv": lambda path: _frame().write_csv(path),
    "t.tsv": lambda path: _frame().write_csv(path, separator="\t"),
    "t.txt": _text,
    "t.jsonl.gz": _jsonl_gz,
    "t.jsonl.zst": _jsonl_zst,
    "delta": lambda path: _frame().write_delta(path),
    "dataset": _dataset,
}
#: How each damaged file is read.
WAYS = ({"bad_rows": "error"}, {"bad_rows": "skip"}, {"bad_rows": "skip", "whole_rows": True})
#: Formats that tell every damage by a checksum of their own.
CHECKED = ("t.jsonl.gz", "t.jsonl.zst")
#: Formats of which a cut may leave a shorter last row, which nothing tells from a row that was written so.
CUT_UNSEEN = ("t.csv", "t.tsv", "t.txt")
KINDS = ("cut", "flip", "swap", "insert", "zero", "delete")


def written(folder: Path) -> Path:
    """A folder with a whole file of each format."""
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


def damaged(whole: Path, folder: Path, seed: int) -> tuple[Path, str]:
    """Copy a file or folder that the seed picks and damage it; the copy, and the kind of damage."""
    chance = random.Random(seed)
    name = list(WRITERS)[seed % len(WRITERS)]
    to = folder / name
    shutil.rmtree(to, ignore_errors=True)
    if (whole / name).is_dir():
        shutil.copytree(whole / name, to)
        file = chance.choice(sorted(path for path in to.rglob("*") if path.is_file()))
    else:
        shutil.copyfile(whole / name, to)
        file = to
    kind = chance.choice(KINDS)
    file.write_bytes(_damage(bytearray(file.read_bytes()), kind, chance))
    return to, kind


def _damage(held: bytearray, kind: str, chance: random.Random) -> bytes:
    at = chance.randrange(len(held) or 1)
    size = chance.randint(1, 64)
    if kind == "cut":
        return bytes(held[:at])
    if kind == "insert":
        return bytes(held[:at]) + chance.randbytes(size) + bytes(held[at:])
    if kind == "delete":
        return bytes(held[:at] + held[at + size :])
    if kind == "zero":
        held[at : at + size] = bytes(len(held[at : at + size]))
    if kind == "flip":
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(held) or 1)
            held[place : place + 1] = bytes(byte ^ (1 << chance.randrange(8)) for byte in held[place : place + 1])
    if kind == "swap":
        other = chance.randrange(len(held) or 1)
        one, two = held[at : at + size], held[other : other + size]
        if len(one) == len(two):
            held[at : at + size], held[other : other + size] = two, one
    return bytes(held)


def outcome(path: Path, kind: str, **fields: object) -> str:
    """How a damaged file is read: read, refused, foreign (a text that is not in the input), or the exception."""
    named = {} if path.name == "t.txt" else {"domain": "domain"}
    source = Source.model_validate({"path": str(path), **named, **fields})
    try:
        texts = [text for batch in readers.read(source) for text in batch["text"]]
    except BadInput:
        return "refused"
    except BaseException as error:  # a panic of Rust is no Exception
        return f"{type(error).__name__}: {str(error)[:200]}"
    known = {"".join(f"{row['text']}\n" for row in ROWS)} if path.name == "t.txt" else TEXTS
    if set(texts) <= known:
        return "read"
    promised = path.name in CHECKED or (kind == "cut" and path.name not in CUT_UNSEEN)
    return "foreign" if promised else "other text"
