"""What can be said of weights on disk without a model to load them into.

Belongs here: looking at the numbers in safetensors files. Does not: where models lie (`models.py`), or models.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

#: Of each floating type: an integer of its width, and the exponent's bits. All of them are set in a NaN or an infinity.
_EXPONENTS = {
    "F64": ("<u8", 0x7FF0 << 48),
    "F32": ("<u4", 0x7F80 << 16),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),  # numpy has no such type, which is why bits are looked at
}
_WHOLE = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"}
_AT_ONCE = 1 << 22  # numbers


def not_finite(file: Path) -> tuple[int, list[str]]:
    """How many tensors a safetensors file holds, and the names of those with a NaN or an infinity.

    Raises:
        SafetensorError: The file is torn, or something else.
        ValueError: A tensor is of a type whose numbers cannot be told.
    """
    with safe_open(file, framework="numpy"):  # holds the header against the length of the file
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


def _finite(raw: np.ndarray, kind: str, where: str) -> bool:
    if kind in _WHOLE:
        return True
    if kind not in _EXPONENTS:
        raise ValueError(f"{where}: whether numbers of type {kind} are finite cannot be told")
    integer, exponent = _EXPONENTS[kind]
    bits, mask = raw.view(integer), np.array(exponent, integer)
    return not any(((bits[at : at + _AT_ONCE] & mask) == mask).any() for at in range(0, len(bits), _AT_ONCE))
