"""The folder of an export. Only files of earlier exports are overwritten there.

Belongs here: writing outputs into a folder, and listing them. Does not: the contents of outputs (`formats.py`).
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from getmore_assets import safe_yaml
from getmore_assets.corpus.identity import file_hash
from getmore_assets.errors import BadInput
from getmore_assets.exports.origin import Origin
from getmore_assets.json_models import JsonObject
from getmore_assets.records import write_atomically

#: The file that lists the outputs in a folder and their origin. (Not JSON: `datasets` would read it as rows.)
LIST = "getmore_export.yaml"


@dataclass(frozen=True)
class Output:
    """A file, or a folder, that an export writes.

    Attributes:
        name: File name in the folder of the export.
        write: Writes the output to a path that does not exist yet.
        origin: Origin of the output, for the list.
    """

    name: str
    write: Callable[[Path], object]
    origin: Origin


def write_outputs(folder: Path, outputs: Sequence[Output]) -> dict[str, Path]:
    """Write outputs into a folder, each atomically, and return their paths by name.

    Unchanged outputs of an earlier export are replaced; other files are kept.

    Raises:
        BadInput: The folder cannot be written to, or another file has the name of an output.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_all(folder, outputs)
    except OSError as error:
        why = f"cannot be written to ({error.strerror or error})"
        raise BadInput(f"the folder {folder}", why, "Give a folder that you may write to") from error
    return {output.name: folder / output.name for output in outputs}


def _write_all(folder: Path, outputs: Sequence[Output]) -> None:
    listed, partials = _read_list(folder), {output.name: folder / f".{output.name}.partial" for output in outputs}
    for output in outputs:
        _require_replaceable(folder, output.name, listed)
    try:
        for output in outputs:
            _remove(partials[output.name])
            output.write(partials[output.name])
        # List the outputs without hashes first: if the process is killed here, the next export may replace them,
        # whatever they contain.
        listed |= {output.name: {"comes_from": asdict(output.origin), "sha256": None} for output in outputs}
        _write_list(folder, listed)
        for name, partial in partials.items():
            _remove(folder / name)
            partial.rename(folder / name)
            listed[name]["sha256"] = _hashes(folder, name)
        _write_list(folder, listed)
    finally:
        for partial in partials.values():
            _remove(partial)


def _read_list(folder: Path) -> JsonObject:
    path = folder / LIST
    try:
        listed = safe_yaml.read(path) if path.is_file() else {}
        return {name: {"comes_from": entry["comes_from"], "sha256": entry["sha256"]} for name, entry in listed.items()}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise BadInput(
            str(path), "was changed after `getmore export` wrote it", "Give another folder, or move it away"
        ) from None


def _require_replaceable(folder: Path, name: str, listed: JsonObject) -> None:
    place = folder / name
    if not os.path.lexists(place):
        return
    if name not in listed:
        raise BadInput(str(place), "exists, and no export wrote it", "Give another folder, or move it away")
    if listed[name]["sha256"] not in (None, _hashes(folder, name)):
        raise BadInput(str(place), "was changed after it was exported", "Give another folder, or move it away")


def _hashes(folder: Path, name: str) -> dict[str, str]:
    place = folder / name
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def _write_list(folder: Path, listed: JsonObject) -> None:
    write_atomically(folder / LIST, yaml.safe_dump(listed, sort_keys=False, allow_unicode=True))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
