"""The data under folders and files: what a task file could name, each as one source.

Belongs here: finding files, putting the parts of one table together, splits of saved data sets. Does not: looking into
a table (`column_samples.py`), or which is pool and which target (`sides.py`).
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

_MANY = 5  # files of one shape are a collection; fewer may as well be a corpus, a target and its splits
_WITH_COLUMNS = ("csv", "tsv", "jsonl", "parquet")
#: Words in the names of files that set one apart from those beside it.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development", "eval"),
    "test": ("test", "testing", "heldout"),
}
TARGET = {"target", "targets", "wanted", "downstream"}
POOL = {"pool", "corpus", "corpora", "candidate", "candidates", "crawl", "unlabeled", "unlabelled", "web"}
_TELLING = TARGET | POOL | {word for words in SPLITS.values() for word in words}
_NOT_ROWS = "JSON, but neither one object a line nor a list of objects, alone or in an object"
_ABOUT = re.compile(r"(?i)^(readme|licen[cs]e|copying|notice|changelog|citation|contributing)\b")


@dataclass(frozen=True)
class SourceFiles:
    """One thing that a source of a task file can name.

    Attributes:
        path: As the task file will name it: a file, a glob of the parts of one table, or a folder.
        kind: Its format, a key of `formats.READERS`.
        files: What it stands for; of a Delta table or a saved data set the folder.
        split: Of a saved data set with several; else None.
        size: In bytes.
    """

    path: str
    kind: str
    files: tuple[Path, ...]
    split: str | None
    size: int

    @property
    def named(self) -> str:
        """Its path, and its split where it has several."""
        return f"{self.path} (split {self.split})" if self.split else self.path

    def source(self) -> Source:
        """A source that names it, and no column yet."""
        return Source(path=self.path, **({"split": self.split} if self.split else {}))


def find(given: list[str]) -> tuple[list[SourceFiles], dict[str, str]]:
    """Everything readable under some paths, in order of path, and what was left out with why.

    Raises:
        BadInput: A path that was given does not exist, or is of no format that is read; or nothing is left.
    """
    found: list[SourceFiles] = []
    left: dict[str, str] = {}
    for name in given:
        path = Path(name)
        if path.is_dir():
            found += _under(path, left)
        else:
            kind, files, _ = resolve(Source(path=name))
            found.append(_found(name, kind, tuple(files)))
    once = list({(one.files, one.split): one for one in found}.values())
    if not once:
        there = "; ".join(f"{path}: {why}" for path, why in left.items()) or "it is empty"
        raise BadInput(", ".join(given), f"holds no data that is read ({there})", f"Give files of {formats.KINDS}")
    return sorted(once, key=lambda one: one.named), left


def _under(folder: Path, left: dict[str, str]) -> list[SourceFiles]:
    """The data in a folder and the folders in it."""
    if (folder / "_delta_log").is_dir():
        kind, whole, _ = resolve(Source(path=str(folder)))
        return [_found(str(folder), kind, tuple(whole))]
    if formats.is_saved_dataset(folder):
        return [_found(str(folder), "dataset", (folder,), split) for split in _splits(folder)]
    found: list[SourceFiles] = []
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir() and not path.is_symlink():
            found += _under(path, left)
        elif why := _not_read(path):
            left[str(path)] = why
        else:
            files.setdefault(formats.kind_of(path) or "", []).append(path)
    if len(files) > 1:
        left |= {str(path): "text beside tables; name it to have it read" for path in files.pop("text", [])}
    for kind, paths in files.items():
        found += [_found(name, kind, parts) for name, parts in _tables(paths, kind).items()]
    return found


def _not_read(path: Path) -> str | None:
    """Why a thing in a folder is no data, or None."""
    if not path.exists():
        return "a link to what is not there"
    if not (path.is_file() or path.is_dir()):
        return "no regular file"
    if path.is_dir():
        return "a link to a folder; name the folder itself"
    kind = formats.kind_of(path)
    if kind is None:
        return "no format that is read"
    if kind == "text" and _ABOUT.match(path.name):
        return "says something about the data"
    return None if path.suffix != ".json" or json_list.rows_of(path) or _is_json_lines(path) else _NOT_ROWS


def _found(path: str, kind: str, files: tuple[Path, ...], split: str | None = None) -> SourceFiles:
    """With its size; that of a split is its own folder's."""
    every = [p for f in files for p in (f.joinpath(split or "").rglob("*") if f.is_dir() else [f])]
    return SourceFiles(path, kind, files, split, sum(p.stat().st_size for p in every if p.is_file()))


def _splits(folder: Path) -> list[str | None]:
    """The splits of a saved data set; [None] where it is but one."""
    names = folder / "dataset_dict.json"
    try:
        return list(json.loads(names.read_text("utf-8"))["splits"]) if names.is_file() else [None]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(names), f"not what `save_to_disk` writes ({error})", "Save the data set again") from None


def _is_json_lines(path: Path) -> bool:
    """Whether the first line of a `.json` file is an object: the name alone does not say so."""
    with path.open("rb") as stream:
        try:
            return isinstance(json.loads(stream.readline(LONGEST_ROW)), dict)
        except (ValueError, RecursionError):
            return False


def _tables(paths: list[Path], kind: str) -> dict[str, tuple[Path, ...]]:
    """The files of one folder, those that belong together put under a glob.

    Together belong all texts; files whose names differ in their numbers alone; and many files with the same columns.
    """
    if len(paths) >= _MANY and (whole := _of_one_shape(paths, kind)):
        return {whole: tuple(paths)}
    alike: dict[str, list[Path]] = {}
    for path in paths:
        pattern = f"*{_ending(path)}" if kind == "text" else re.sub(r"\d+", "*", path.name)
        alike.setdefault(str(path.with_name(pattern)), []).append(path)
    tables: dict[str, tuple[Path, ...]] = {}
    for pattern, parts in alike.items():
        if len(parts) > 1 and _stands_for(pattern, parts):
            tables[pattern] = tuple(parts)
        else:  # alone, or the glob would take in others
            tables |= {str(part): (part,) for part in parts}
    return tables


def _of_one_shape(paths: list[Path], kind: str) -> str | None:
    """The glob of files that all have the same columns, and nothing in their names that sets one apart; or None."""
    suffixes = {_ending(path) for path in paths}
    told = set.intersection(*(_plain_words(path) for path in paths))
    apart = any((_plain_words(path) - told) & _TELLING for path in paths)
    if kind not in _WITH_COLUMNS or len(suffixes) > 1 or apart:
        return None
    pattern = str(paths[0].with_name(f"*{suffixes.pop()}"))
    columns = {_columns(path, kind) for path in paths}
    return pattern if len(columns) == 1 and None not in columns and _stands_for(pattern, paths) else None


def _ending(path: Path) -> str:
    """What of a file's name tells its format and compression; a title before it may have dots as well."""
    return path.name[len(formats.plain_name(path)) :]


def _plain_words(path: Path) -> set[str]:
    return set(re.findall(r"[a-z]+", path.name.lower()))


def _columns(path: Path, kind: str) -> tuple[str, ...] | None:
    """The names of a table's columns, by its first rows; None where it has none, or cannot be read."""
    reading = Reading(Source(path=str(path)))
    try:
        batch = next(iter(formats.READERS[kind](path, None, reading)), None)
    except (BadInput, pl.exceptions.PolarsError, OSError):
        return None
    return None if batch is None else tuple(sorted(name for name in batch[1].columns if name != "#row"))


def _stands_for(pattern: str, parts: list[Path]) -> bool:
    """Whether a glob means those files and no others; where a name has a bracket it may mean none."""
    try:
        return resolve(Source(path=pattern, format="text")).paths == parts
    except BadInput:
        return False
