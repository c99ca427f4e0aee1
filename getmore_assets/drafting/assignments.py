"""Assigning data to target (with its splits) and candidate pool: every assignment that names allow.

Belongs here: names of files and folders. Does not: their contents (`column_samples.py`, `column_roles.py`), or which
assignment is the likeliest if names do not decide (`likelihood.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from getmore_assets.corpus import formats
from getmore_assets.drafting.files import POOL, SPLITS, TARGET, SourceFiles, find
from getmore_assets.errors import BadInput

_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
_FIX = "Name the target's training examples: --target FILE"


@dataclass(frozen=True)
class Assignment:
    """One assignment of data to pool and target.

    Attributes:
        name: Name of the target.
        pool: The candidates.
        target: The target's files by split; always with train.
        why: Reason for the choice of the target; empty if names do not decide.
        left: Unused data, by name, with reasons.
    """

    name: str
    pool: list[SourceFiles]
    target: dict[str, SourceFiles]
    why: str
    left: dict[str, str]


@dataclass(frozen=True)
class _Named:
    """Data, and what its name says: the split; target or pool; and the other words, which all splits of a set share."""

    data: SourceFiles
    split: str | None
    says: str | None
    family: tuple[str, ...]


def find_assignments(given: list[str], target: str | None) -> list[Assignment]:
    """Find the data under some paths, and return every possible assignment; only one if names decide.

    Args:
        given: Files and folders.
        target: The target's training examples, if the user names them; splits in the same folder are found.

    Raises:
        BadInput: A file cannot be read, or no data can be the target or the pool.
    """
    data, left = find(given)
    if target is None:
        everything = _named(data)
        trains = _possible_trains(everything, left)
    else:
        own, _ = find([target])
        data = [part for each in data for part in _without(each, own)]
        every = {(each.files, each.split): each for each in (*own, *data, *_beside(Path(target)))}
        everything = _named(list(every.values()))
        train = _only_train([each for each in everything if each.data in own], target)
        trains = [(train, "named with --target")]
    assignments, refused = [], []
    for train, why in trains:
        try:
            assignments.append(_assignment(train, why, everything, data, left, given))
        except BadInput as error:
            refused.append(error)
    if not assignments:
        raise refused[0]
    return assignments


def _assignment(
    train: _Named, why: str, everything: list[_Named], data: list[SourceFiles], left: dict[str, str], given: list[str]
) -> Assignment:
    """Return the assignment in which `train` is the training examples."""
    splits = {"train": train.data}
    for each in everything:
        if each is not train and each.split and each.says != "pool" and _is_of(each, train):
            if each.split in splits:
                what = f"and {splits[each.split].named} are both the target's {each.split} split by their names"
                raise BadInput(each.data.named, what, "Leave one of them out")
            splits[each.split] = each.data
    rest = [each for each in everything if each.data in data and each.data not in splits.values()]
    pool = [each.data for each in rest if each.split in (None, "train")]
    left = left | {
        each.data.named: f"the {each.split} split of something else" for each in rest if each.data not in pool
    }
    if not pool:
        fix = "Give the corpus to choose from as well"
        others = "; ".join(f"{path}: {why}" for path, why in left.items())
        what = "holds a target, but no candidate pool" + (f" ({others})" if others else "")
        raise BadInput(", ".join(given), what, fix)
    return Assignment(_task_name(train), pool, splits, why, left)


def _without(group: SourceFiles, own: list[SourceFiles]) -> list[SourceFiles]:
    """Return grouped files without the target's own file; a group without such a file is not changed."""
    named = {file.resolve() for target in own for file in target.files}
    rest = tuple(file for file in group.files if file.resolve() not in named)
    if group in own or len(rest) == len(group.files):
        return [group]
    return [SourceFiles(str(file), group.kind, (file,), None, file.stat().st_size) for file in rest]


def _task_name(train: _Named) -> str:
    """Return a name for the task: from the target's file, else from the nearest folder with a meaningful name."""
    folders, at = train.family, train.family.index("/")
    own = folders[at + 1 :] or folders[:at] or _words(train.data.files[0].absolute().parent.name)
    return "-".join(own)[:80].strip("-") or "task"


def _beside(target: Path) -> list[SourceFiles]:
    """Return the data in the folder of a target's file that is named like a split."""
    if not target.is_file():
        return []
    names = [str(p) for p in sorted(target.parent.iterdir()) if p.is_file() and formats.kind_of(p)]
    names = [name for name in names if set(_words(Path(name).name)) & set(_SPLIT_OF)]
    return find(names)[0] if names else []


def _is_of(each: _Named, train: _Named) -> bool:
    """Return whether a split belongs to `train`: equal names but for the split, or a bare split name in its folder."""
    bare = each.split != "train" and each.family[-1] == "/" and train.family[: len(each.family)] == each.family
    return each.family == train.family or bare


def _named(data: list[SourceFiles]) -> list[_Named]:
    """Return the data with the meaning of names, ignoring the folders that all data share."""
    folders = [source.files[0].absolute().parent.parts for source in data]
    shared = 0
    while len({parts[shared : shared + 1] for parts in folders}) == 1 and folders[0][shared:]:
        shared += 1
    return [_name(source, list(parts[shared:])) for source, parts in zip(data, folders, strict=True)]


def _name(data: SourceFiles, folders: list[str]) -> _Named:
    name = re.sub(r"\.(jsonl?|ndjson|parquet|csv|tsv|txt|md|rst|text|tex|gz|zst)\b", "", Path(data.path).name.lower())
    by_name, by_folder = _words(name) + _words(data.split or ""), _words(" ".join(folders))
    # The nearest name decides: the split, then the file's name, then the folders.
    nearest = [*reversed(by_name), *reversed(by_folder)]
    word = next((w for w in nearest if w in _SPLIT_OF), None)
    says = next(("target" if w in TARGET else "pool" for w in nearest if w in TARGET | POOL), None)
    family = tuple(w for w in (*by_folder, "/", *by_name) if w not in _SPLIT_OF)
    return _Named(data, _SPLIT_OF[word] if word else None, says, family)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.lower())


def _possible_trains(everything: list[_Named], left: dict[str, str]) -> list[tuple[_Named, str]]:
    """Return possible training examples with reasons: one if names decide, else all that names do not exclude."""
    if len(everything) == 1:
        others = "; ".join(f"{path}: {why}" for path, why in left.items())
        what = f"is all that is read ({others})" if others else "is all there is"
        what += ", and a task needs two things: a target and a candidate pool"
        raise BadInput(everything[0].data.named, what, "Give both; --target FILE says which is the target")
    families = _families(everything)
    if targets := _target_families(families, everything):
        why = "its name says so" if len(targets) == 1 else ""
        return [(_only_train(family, "the target"), why) for family in targets]
    unnamed = [each for each in everything if each.says is None and each.split is None]
    if with_train := [family for family in families if _has_train(family)]:
        return [(train, "") for train in (*(_only_train(family, "the target") for family in with_train), *unnamed)]
    if families:
        names = ", ".join(each.data.named for family in families for each in family)
        raise BadInput(names, "is test data by its name, and there is no training data", _FIX)
    if len(unnamed) == 1:
        return [(unnamed[0], "the others are the pool by their names")]
    return [(each, "") for each in unnamed or everything]


def _families(everything: list[_Named]) -> list[list[_Named]]:
    """Return the data that may be the target by their names, grouped into sets of splits."""
    families: dict[tuple[str, ...], list[_Named]] = {}
    for each in everything:
        if each.says != "pool" and (each.split or each.says == "target"):
            families.setdefault(each.family, []).append(each)
    return list(families.values())


def _target_families(families: list[list[_Named]], everything: list[_Named]) -> list[list[_Named]]:
    """Return the families that are called target; if there are none, the small families with a train split."""
    if called := [family for family in families if any(each.says == "target" for each in family)]:
        return called
    # A set with a train split may be the pool if it is the larger part of the data.
    total = sum(each.data.size for each in everything)
    return [family for family in families if _has_train(family) and 2 * sum(each.data.size for each in family) < total]


def _has_train(family: list[_Named]) -> bool:
    return any(each.split == "train" for each in family)


def _only_train(own: list[_Named], what: str) -> _Named:
    """Return the training examples among the target's data."""
    train = [each for each in own if each.split == "train"] or [each for each in own if each.split is None]
    if not train and len(own) == 1:
        fix = "Give the training examples: never select for the rows that you test on"
        raise BadInput(own[0].data.named, f"is a {own[0].split} split by its name", fix)
    if len(train) != 1:
        names = ", ".join(each.data.named for each in own)
        raise BadInput(names, f"of these, {len(train)} could be the training examples of {what}", _FIX)
    return train[0]
