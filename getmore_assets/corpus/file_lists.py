"""The files of a source's path, and the files under it that are left out, each with the reason.

Belongs here: folders, globs, links, hidden names, the format by file name. Does not: opening files (`formats.py`).
"""

import os
from pathlib import Path
from typing import NamedTuple

from deltalake import DeltaTable

from getmore_assets.config import ASSET_PREFIX, Source
from getmore_assets.corpus import formats
from getmore_assets.corpus.library_errors import message_of, translated
from getmore_assets.errors import BadInput
from getmore_assets.lake import newest_version, unreadable_in
from getmore_assets.remote_files import local, naming

CORRECT_IT = "Correct the path; it is relative to the folder of the task file"
_LOG = "_delta_log"
_WILDCARDS = "*?["
_A_LINK = "is a link to a folder: name that folder as a source"
_DELTA = "reading its files would read rows that were deleted"


class FileList(NamedTuple):
    """The files of a source.

    Attributes:
        format: The format of all files, a key of `formats.READERS`.
        paths: The files in order of name; for a Delta table or a saved data set, its folder.
        left_out: Files and folders under the source's path that are not read, each with the reason.
    """

    format: str
    paths: list[Path]
    left_out: dict[str, str]


def resolve(source: Source) -> FileList:
    """Return the files of a source.

    Raises:
        BadInput: There are no files, their format is not clear, or they belong to a Delta table.
    """
    if source.path.startswith(ASSET_PREFIX):
        fix = "Materialize it in its Dagster project, or give `path` instead of `asset`"
        what = "has not been materialized, or its materialization names no path"
        raise BadInput(f"asset {source.asset}", what, fix)
    with naming(), translated(source.path, "cannot be looked up"):
        path = local(source.place)
        files = _whole_folder(path, source) or _files(path, source)
    if source.version is not None and files.format != "delta":
        what = f"`version: {source.version}` is given, but the source is {files.format}, which has no versions"
        raise BadInput(source.path, what, "Take `version` out; it is for Delta tables")
    misplaced = source.model_fields_set & ({"split", "config"} if files.format != "dataset" else {"config"})
    if misplaced:
        what = f"`{min(misplaced)}` is given, but the source is {files.format}, which has none"
        raise BadInput(source.path, what, "Take it out; name the files of one split by their path or a glob")
    if source.version is not None:
        with translated(source.path, "not a readable Delta table"):
            newest = newest_version(str(files.paths[0]))
        if source.version > newest:
            what = f"has no version {source.version}: its newest is {newest}"
            raise BadInput(source.path, what, "Correct `version`, or take it out")
        try:
            DeltaTable(files.paths[0], version=source.version)
        except Exception as error:  # of several classes
            what = f"no longer has version {source.version}: its log was cleaned up ({message_of(error)})"
            raise BadInput(source.path, what, "Correct `version`, or take it out") from None
    return files


def _whole_folder(path: Path, source: Source) -> FileList | None:
    """Return the folder of a Delta table or a saved data set, else None."""
    if not path.is_dir():
        return None
    if source.format in ("auto", "delta") and (path / _LOG).is_dir():
        if character := unreadable_in(path):
            what = f"has `{character}` in its path, under which Delta tables cannot be read"
            raise BadInput(source.path, what, "Move it under a path of plain letters, digits and - _ . /")
        return FileList("delta", [path], {})
    if source.format in ("auto", "dataset") and formats.is_saved_dataset(path):
        return FileList("dataset", [path], {})
    return None


def _files(path: Path, source: Source) -> FileList:
    left_out = dict[str, str]()
    if path.is_dir():
        files = _under(path, left_out)
    elif path.is_file():
        files = [path]
    else:
        files = _matching(path, left_out)
    if path.is_dir() and source.format != "auto":
        files = [file for file in files if not _is_of_another(file, source.format, left_out)]
    if not files:
        what = "no such file, folder or glob"
        if left_out:
            first = "; ".join(f"{file}: {why}" for file, why in list(left_out.items())[:3])
            what = f"holds no file that is read ({first})"
        raise BadInput(source.path, what, CORRECT_IT)
    kinds = {formats.kind_of(p) for p in files} if source.format == "auto" else {source.format}
    kind = kinds.pop()
    if kinds or kind is None:
        names = ", ".join(sorted({p.suffix or p.name for p in files}))
        fix = f"Name files of one format by a glob, as folder/*.parquet, or set `format` to one of {formats.KINDS}"
        raise BadInput(source.path, f"cannot tell the format of {names}", fix)
    return FileList(kind, sorted(files), left_out)


def _under(folder: Path, left_out: dict[str, str]) -> list[Path]:
    """Return the files under a folder, without hidden files and folders; links to folders are not followed."""
    _refuse_within_delta(folder)
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        if _LOG in folders:
            what = f"holds the Delta table {parent}; {_DELTA}"
            raise BadInput(str(folder), what, "Name the table, or move it elsewhere")
        for name in list(folders):
            path = Path(parent, name)
            why = _hidden(name) or (_A_LINK if path.is_symlink() else None)
            if why:
                left_out[f"{path}/"] = why
                folders.remove(name)
        for name in files:
            path = Path(parent, name)
            if why := _hidden(name) or _no_file(path):
                left_out[str(path)] = why
            else:
                found.append(path)
    return found


def _note_links(top: Path, left_out: dict[str, str]) -> None:
    for parent, folders, _ in os.walk(top, onerror=_raise):
        left_out |= {f"{parent}/{name}/": _A_LINK for name in folders if Path(parent, name).is_symlink()}


def _matching(path: Path, left_out: dict[str, str]) -> list[Path]:
    """Return the files of a glob. A part that names an existing folder is not a pattern, as in `data [1]/*.csv`."""
    base, parts = Path(path.anchor or "."), list(path.relative_to(path.anchor).parts)
    while len(parts) > 1 and (base / parts[0]).is_dir():
        base /= parts.pop(0)
    pattern = "/".join(parts)
    if not any(wildcard in pattern for wildcard in _WILDCARDS):
        return []
    shows_hidden = any(part.startswith(".") for part in parts)
    found = []
    for file in base.glob(pattern):
        hidden = next((part for part in file.relative_to(base).parts if part.startswith(".")), None)
        if why := (hidden and not shows_hidden and _hidden(hidden)) or _no_file(file):
            left_out[str(file)] = why
        else:
            found.append(file)
    if "**" in parts:  # `**` does not follow links to folders
        above = "/".join(parts[: parts.index("**")])
        for top in base.glob(above) if above else [base]:
            _note_links(top, left_out)
    for folder in {file.parent for file in found}:
        _refuse_within_delta(folder)
    return found


def _refuse_within_delta(folder: Path) -> None:
    for parent in (folder, *folder.parents):
        if (parent / _LOG).is_dir():
            raise BadInput(str(folder), f"is a part of the Delta table {parent}; {_DELTA}", f"Name the table: {parent}")


def _hidden(name: str) -> str | None:
    return f"its name begins with `{name[0]}`" if name.startswith((".", "_")) else None


def _no_file(path: Path) -> str | None:
    if path.is_file():
        return None
    if path.is_dir():
        return "is a folder"
    return "is a broken link" if path.is_symlink() else "is not a regular file"


def _is_of_another(file: Path, kind: str, left_out: dict[str, str]) -> bool:
    by_name = formats.kind_of(file)
    if by_name in (None, kind):
        return False
    left_out[str(file)] = f"its name says {by_name}, and `format` is {kind}"
    return True


def _raise(error: OSError) -> None:
    raise error
