"""Safetensors files: writing a file atomically, and checking files on disk.

Belongs here: names, shapes and numbers of tensors. Does not: finding models (`models.py`), or loading them.
"""

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from getmore_assets.errors import BadInput
from getmore_assets.lake import unfinished

#: By floating type: the integer type of the same width, and the exponent bits, all set in a NaN or an infinity.
_EXPONENTS = {
    "F64": ("<u8", 0x7FF0 << 48),
    "F32": ("<u4", 0x7F80 << 16),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),  # numpy lacks this type, so bits are compared
}
_INTEGERS = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"}
_CHUNK = 1 << 22  # numbers that are checked at once
_LONGEST_HEADER = 100_000_000  # bytes, the limit of safetensors
_POINTER = b"version https://git-lfs"


def write_tensors(tensors: dict[str, np.ndarray], path: Path) -> None:
    """Write a safetensors file atomically; the caller holds the file's lock.

    The library's `save_file` is not used, because a killed process would leave its temporary file for ever. Here the
    next writer deletes the temporary file. If a writer on a machine that the lock does not reach deletes it too early,
    the file is written again.

    Args:
        tensors: Tensors by name, of any shape: `[...]`.
        path: The file.
    """
    for partial in path.parent.glob(f".{path.name}.*.partial"):  # left by a killed process
        partial.unlink(missing_ok=True)
    while True:
        partial = unfinished(path)
        partial.write_bytes(save(tensors))
        with suppress(FileNotFoundError):
            partial.replace(path)
            return


def not_finite(file: Path) -> tuple[int, list[str]]:
    """Return the number of tensors in a safetensors file, and the names of those with a NaN or an infinity.

    Raises:
        SafetensorError: The file is truncated or is not a safetensors file.
        ValueError: A tensor has a type whose numbers cannot be checked.
    """
    with safe_open(file, framework="numpy"):  # checks the header against the length of the file
        pass
    raw = np.memmap(file, np.uint8, "r")
    start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    header = json.loads(raw[8:start].tobytes())
    header.pop("__metadata__", None)
    bad = []
    for name, tensor in header.items():
        begin, end = (start + offset for offset in tensor["data_offsets"])
        if not _finite(raw[begin:end], tensor["dtype"], f"{file.name}, {name}"):
            bad.append(name)
    return len(header), bad


def shapes_in(folder: Path, where: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in a folder's safetensors files, by name.

    Args:
        folder: A folder with weights, and with an index if there are several files.
        where: The field or file that a message names.

    Raises:
        BadInput: A file is damaged or is a Git LFS pointer, or a file in the index does not exist.
    """
    index = folder / "model.safetensors.index.json"
    try:
        listed = set(json.loads(index.read_text("utf-8"))["weight_map"].values()) if index.is_file() else set()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        what = f"its {index.name} cannot be read ({error})"
        raise BadInput(where, what, "Save or download the model again") from None
    if missing := sorted(name for name in listed if not (folder / name).is_file()):
        what = f"its index names {missing[0]}, which is not there ({len(missing)} of {len(listed)} files are missing)"
        raise BadInput(where, what, "Download the model again, or copy its files whole")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as opened:
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            with file.open("rb") as raw:
                pointer = raw.read(len(_POINTER)) == _POINTER
            why = "a Git LFS pointer, not the weights" if pointer else f"damaged ({error})"
            fix = "Run `git lfs pull` in the model's folder" if pointer else "Download or copy the file again"
            raise BadInput(where, f"its {file.name} is {why}", fix) from None
    return shapes


def headers_hash(folder: Path) -> str:
    """Return a hash of the names, types and shapes of a folder's weights; the numbers are not read."""
    digest = sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as raw:
            size = int.from_bytes(raw.read(8), "little")
            digest.update(f"{file.name} {file.stat().st_size} ".encode() + raw.read(min(size, _LONGEST_HEADER)))
    return digest.hexdigest()


def _finite(raw: np.ndarray, kind: str, where: str) -> bool:
    if kind in _INTEGERS:
        return True
    if kind not in _EXPONENTS:
        raise ValueError(f"{where}: numbers of type {kind} cannot be checked for NaN and infinity")
    integer, exponent = _EXPONENTS[kind]
    bits, mask = raw.view(integer), np.array(exponent, integer)
    return not any(((bits[at : at + _CHUNK] & mask) == mask).any() for at in range(0, len(bits), _CHUNK))
