"""The data under files and folders, grouped into sources for a task file.

Belongs here: finding files, grouping the files of one table, splits of saved data sets. Does not: reading a table
(`column_samples.py`), or which source is pool or target (`assignments.py`).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from getmore_assets.config import Source
from getmore_assets.corpus import formats, json_list
from getmore_assets.corpus.file_lists import resolve
from getmore_assets.corpus.lines import LONGEST_ROW
from getmore_assets.corpus.reading import Reading
from getmore_assets.errors import BadInput

_MANY = 5  # this many files with the same columns are one table; fewer may be a corpus, a target and its splits
_WITH_COLUMNS = ("csv", "tsv", "jsonl", "parquet")
#: Words in file names that show a split.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development", "eval"),
    "test": ("test", "testing", "heldout"),
}
TARGET = {"target", "targets", "wanted", "downstream"}
POOL = {"pool", "corpus", "corpora", "candidate", "candidates", "crawl", "unlabeled", "unlabelled", "web"}
_TELLING = TARGET | POOL | {word for words in SPLITS.values() for word in words}
_NOT_ROWS = "JSON, but neither one object per line nor a list of objects, alone or in an object"
_ABOUT = re.compile(r"(?i)^(readme|licen[cs]e|copying|notice|changelog|citation|contributing)\b")


@dataclass(frozen=True)
class SourceFiles:
    """The files of one source.

    Attributes:
        path: Path for the task file: a file, a glob of the files of one table, or a folder.
        kind: Format, a key of `formats.READERS`.
        files: The files; the folder for a Delta table or a saved data set.
        split: The split, for a saved data set with several splits; else None.
        size: Size in bytes.
    """

    path: str
    kind: str
    files: tuple[Path, ...]
    split: str | None
    size: int

    @property
    def named(self) -> str:
        """The path, with the split of a data set with several splits."""
        return f"{self.path} (split {self.split})" if self.split else self.path

    def source(self) -> Source:
        """The source for a task file, without names of columns."""
        return Source(path=self.path, **({"split": self.split} if self.split else {}))


def find(given: list[str]) -> tuple[list[SourceFiles], dict[str, str]]:
    """Return all readable data under some paths, in order of path, and the reasons for leaving out other files.

    Raises:
        BadInput: A given path does not exist or has an unknown format, or there is no readable data.
    """
    data: list[SourceFiles] = []
    left: dict[str, str] = {}
    for name in given:
        path = Path(name)
        if path.is_dir():
            data += _under(path, left)
        else:
            kind, files, _ = resolve(Source(path=name))
            data.append(_source_files(name, kind, tuple(files)))
    once = list({(each.files, each.split): each for each in data}.values())
    if not once:
        listed = "; ".join(f"{path}: {why}" for path, why in left.items()) or "it is empty"
        raise BadInput(", ".join(given), f"holds no data that is read ({listed})", f"Give files of {formats.KINDS}")
    return sorted(once, key=lambda each: each.named), left


def _under(folder: Path, left: dict[str, str]) -> list[SourceFiles]:
    """Return the data in a folder and its subfolders."""
    if (folder / "_delta_log").is_dir():
        kind, whole, _ = resolve(Source(path=str(folder)))
        return [_source_files(str(folder), kind, tuple(whole))]
    if formats.is_saved_dataset(folder):
        return [_source_files(str(folder), "dataset", (folder,), split) for split in _splits(folder)]
    data: list[SourceFiles] = []
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir() and not path.is_symlink():
            data += _under(path, left)
        elif why := _not_read(path):
            left[str(path)] = why
        else:
            files.setdefault(formats.kind_of(path) or "", []).append(path)
    if len(files) > 1:
        left |= {str(path): "text beside tables; name it to have it read" for path in files.pop("text", [])}
    for kind, paths in files.items():
        data += [_source_files(name, kind, parts) for name, parts in _tables(paths, kind).items()]
    return data


def _not_read(path: Path) -> str | None:
    """Return why an entry of a folder is no data, or None."""
    if not path.exists():
        return "a broken link"
    if not (path.is_file() or path.is_dir()):
        return "not a regular file"
    if path.is_dir():
        return "a link to a folder; name the folder itself"
    kind = formats.kind_of(path)
    if kind is None:
        return "unknown format"
    if kind == "text" and _ABOUT.match(path.name):
        return "a description of the data"
    return None if path.suffix != ".json" or json_list.rows_of(path) or _is_json_lines(path) else _NOT_ROWS


def _source_files(path: str, kind: str, files: tuple[Path, ...], split: str | None = None) -> SourceFiles:
    """Return the files of a source with their size; the size of a split is that of the split's folder."""
    every = [p for f in files for p in (f.joinpath(split or "").rglob("*") if f.is_dir() else [f])]
    return SourceFiles(path, kind, files, split, sum(p.stat().st_size for p in every if p.is_file()))


def _splits(folder: Path) -> list[str | None]:
    """Return the splits of a saved data set; [None] for a data set without splits."""
    names = folder / "dataset_dict.json"
    try:
        return list(json.loads(names.read_text("utf-8"))["splits"]) if names.is_file() else [None]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(names), f"not what `save_to_disk` writes ({error})", "Save the data set again") from None


def _is_json_lines(path: Path) -> bool:
    """Return whether the first line of a `.json` file is an object, so that the file is JSON lines."""
    with path.open("rb") as stream:
        try:
            return isinstance(json.loads(stream.readline(LONGEST_ROW)), dict)
        except (ValueError, RecursionError):
            return False


def _tables(paths: list[Path], kind: str) -> dict[str, tuple[Path, ...]]:
    """Group the files of one folder into tables: a path or glob, and its files.

    All text files are one table; so are files whose names differ only in numbers, and many files with the same columns.
    """
    if len(paths) >= _MANY and (whole := _of_one_shape(paths, kind)):
        return {whole: tuple(paths)}
    by_pattern: dict[str, list[Path]] = {}
    for path in paths:
        pattern = f"*{_ending(path)}" if kind == "text" else re.sub(r"\d+", "*", path.name)
        by_pattern.setdefault(str(path.with_name(pattern)), []).append(path)
    tables: dict[str, tuple[Path, ...]] = {}
    for pattern, parts in by_pattern.items():
        if len(parts) > 1 and _stands_for(pattern, parts):
            tables[pattern] = tuple(parts)
        else:  # a single file, or the glob would match other files, too
            tables |= {str(part): (part,) for part in parts}
    return tables


def _of_one_shape(paths: list[Path], kind: str) -> str | None:
    """Return the glob of files that have the same columns and no name of a split; else None."""
    suffixes = {_ending(path) for path in paths}
    shared = set.intersection(*(_plain_words(path) for path in paths))
    apart = any((_plain_words(path) - shared) & _TELLING for path in paths)
    if kind not in _WITH_COLUMNS or len(suffixes) > 1 or apart:
        return None
    pattern = str(paths[0].with_name(f"*{suffixes.pop()}"))
    columns = {_columns(path, kind) for path in paths}
    return pattern if len(columns) == 1 and None not in columns and _stands_for(pattern, paths) else None


def _ending(path: Path) -> str:
    """Return the suffixes of a file name for format and compression; other dots belong to the title."""
    return path.name[len(formats.plain_name(path)) :]


def _plain_words(path: Path) -> set[str]:
    return set(re.findall(r"[a-z]+", path.name.lower()))


def _columns(path: Path, kind: str) -> tuple[str, ...] | None:
    """Return the column names of a table from its first rows; None if there are none, or the file is unreadable."""
    reading = Reading(Source(path=str(path)))
    try:
        batch = next(iter(formats.READERS[kind](path, None, reading)), None)
    except (BadInput, pl.exceptions.PolarsError, OSError):
        return None
    return None if batch is None else tuple(sorted(name for name in batch[1].columns if name != "#row"))


def _stands_for(pattern: str, parts: list[Path]) -> bool:
    """Return whether a glob matches exactly these files; with a bracket in a name it may match none."""
    try:
        return resolve(Source(path=pattern, format="text")).paths == parts
    except BadInput:
        return False
