"""The folder of an export, in which only files of earlier exports are overwritten.

Belongs here: writing outputs into a folder, and the list of them. Does not: their contents.
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

#: The list of outputs in a folder and their origin. (Not JSON: `datasets` would read it as rows.)
LIST = "getmore_export.yaml"


@dataclass(frozen=True)
class Output:
    """A file, or a folder, that an export writes.

    Attributes:
        name: File name in the folder of the export.
        write: Writes the output to a path, which does not exist yet.
        comes_from: Origin of the output, for the list.
    """

    name: str
    write: Callable[[Path], object]
    comes_from: Origin


def put(folder: Path, outputs: Sequence[Output]) -> dict[str, Path]:
    """Write outputs into a folder, each atomically, and return their paths by name.

    Unchanged outputs of an earlier export are replaced; other files are kept.

    Raises:
        BadInput: The folder cannot be written to, or something else is where an output would be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fill(folder, outputs)
    except OSError as error:
        why = f"cannot be written to ({error.strerror or error})"
        raise BadInput(f"the folder {folder}", why, "Give a folder that you may write to") from error
    return {output.name: folder / output.name for output in outputs}


def _fill(folder: Path, outputs: Sequence[Output]) -> None:
    listed, partials = _listed(folder), {one.name: folder / f".{one.name}.partial" for one in outputs}
    for output in outputs:
        _require_own(folder, output.name, listed)
    try:
        for output in outputs:
            _remove(partials[output.name])
            output.write(partials[output.name])
        # List the outputs without hashes first: if the process is killed here, the next export may replace them
        # whatever they contain.
        listed |= {one.name: {"comes_from": asdict(one.comes_from), "sha256": None} for one in outputs}
        _write(folder, listed)
        for name, partial in partials.items():
            _remove(folder / name)
            partial.rename(folder / name)
            listed[name]["sha256"] = _hashes(folder, name)
        _write(folder, listed)
    finally:
        for partial in partials.values():
            _remove(partial)


def _listed(folder: Path) -> JsonObject:
    path = folder / LIST
    try:
        found = safe_yaml.read(path) if path.is_file() else {}
        return {name: {"comes_from": one["comes_from"], "sha256": one["sha256"]} for name, one in found.items()}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise BadInput(
            str(path), "is not as `getmore export` left it", "Give another folder, or move it away"
        ) from None


def _require_own(folder: Path, name: str, listed: JsonObject) -> None:
    place = folder / name
    if not os.path.lexists(place):
        return
    if name not in listed:
        raise BadInput(str(place), "is there, and no export wrote it", "Give another folder, or move it away")
    if listed[name]["sha256"] not in (None, _hashes(folder, name)):
        raise BadInput(str(place), "was changed after it was exported", "Give another folder, or move it away")


def _hashes(folder: Path, name: str) -> dict[str, str]:
    place = folder / name
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def _write(folder: Path, listed: JsonObject) -> None:
    write_atomically(folder / LIST, yaml.safe_dump(listed, sort_keys=False, allow_unicode=True))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
