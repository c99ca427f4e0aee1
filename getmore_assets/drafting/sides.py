"""Which of the data is the target, with its splits, and which the candidate pool: by name, else by size.

Belongs here: names of files and folders, and sizes. Does not: what is in them (`columns.py`, `roles.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from getmore_assets.corpus import formats
from getmore_assets.drafting.files import Found, find
from getmore_assets.errors import BadInput

_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development", "eval"),
    "test": ("test", "testing", "heldout"),
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words}
_TARGET = {"target", "targets", "wanted", "downstream"}
_POOL = {"pool", "corpus", "corpora", "candidate", "candidates", "crawl", "unlabeled", "unlabelled", "web"}
_SMALLER = 5  # times, that a target without a telling name must be smaller than the rest
_FIX = "Say which is the target: --target FILE, its training examples"


@dataclass(frozen=True)
class Sides:
    """What was decided.

    Attributes:
        name: Of the target.
        pool: The candidates.
        target: By split; train is always there.
        why: What tells that this is the target.
        left: What is neither, by name, and why.
    """

    name: str
    pool: list[Found]
    target: dict[str, Found]
    why: str
    left: dict[str, str]


@dataclass(frozen=True)
class _Named:
    """What a name says: the split, whether target or pool, and the words that its other splits share with it."""

    found: Found
    split: str | None
    says: str | None
    family: tuple[str, ...]


def tell_apart(given: list[str], target: str | None) -> Sides:
    """Find the data under some paths, and tell the pool from the target.

    Args:
        given: Files and folders.
        target: The target's training examples, where the user names them; splits that lie beside them are found.

    Raises:
        BadInput: Something cannot be read, or it cannot be told which is which.
    """
    found, left = find(given)
    if target is None:
        everything = _named(found)
        train, why = _train_of(everything, left)
    else:
        own, _ = find([target])
        every = {(one.files, one.split): one for one in (*own, *found, *_beside(Path(target)))}
        everything = _named(list(every.values()))
        train, why = _only_train([one for one in everything if one.found in own], target), "named with --target"
    splits = {"train": train.found}
    for one in everything:
        if one is not train and one.split and one.says != "pool" and _is_of(one, train):
            if one.split in splits:
                what = f"and {splits[one.split].named} are both the target's {one.split} split by their names"
                raise BadInput(one.found.named, what, "Leave one of them out")
            splits[one.split] = one.found
    rest = [one for one in everything if one.found in found and one.found not in splits.values()]
    pool = [one.found for one in rest if one.split in (None, "train")]
    left |= {one.found.named: f"the {one.split} split of something else" for one in rest if one.found not in pool}
    if not pool:
        fix = "Give the corpus to choose from as well"
        others = "; ".join(f"{path}: {why}" for path, why in left.items())
        what = "holds a target, and no candidate pool beside it" + (f" ({others})" if others else "")
        raise BadInput(", ".join(given), what, fix)
    return Sides(_call(train), pool, splits, why, left)


def _call(train: _Named) -> str:
    """A name for the task: of the target's file, else of the nearest folder that has one."""
    folders, at = train.family, train.family.index("/")
    own = folders[at + 1 :] or folders[:at] or _words(train.found.files[0].absolute().parent.name)
    return "-".join(own)[:80] or "task"


def _beside(target: Path) -> list[Found]:
    """What lies beside a target's file and has the name of a split."""
    if not target.is_file():
        return []
    names = [str(p) for p in sorted(target.parent.iterdir()) if p.is_file() and formats.kind_of(p)]
    names = [name for name in names if set(_words(Path(name).name)) & set(_SPLIT_OF)]
    return find(names)[0] if names else []


def _is_of(one: _Named, train: _Named) -> bool:
    """Whether a split is of the same set: alike in name, or with no name but its own in the same folder."""
    bare = one.split != "train" and one.family[-1] == "/" and train.family[: len(one.family)] == one.family
    return one.family == train.family or bare


def _named(found: list[Found]) -> list[_Named]:
    """What names say. Folders that all have in common say nothing."""
    folders = [one.files[0].absolute().parent.parts for one in found]
    shared = 0
    while len({parts[shared : shared + 1] for parts in folders}) == 1 and folders[0][shared:]:
        shared += 1
    return [_name(one, list(parts[shared:])) for one, parts in zip(found, folders, strict=True)]


def _name(found: Found, folders: list[str]) -> _Named:
    name = re.sub(r"\.(jsonl?|ndjson|parquet|csv|tsv|txt|md|rst|text|gz|zst)\b", "", found.files[0].name.lower())
    by_name, by_folder = _words(name) + _words(found.split or ""), _words(" ".join(folders))
    # What stands nearest to the data speaks: the split, the file's name, then the folders.
    nearest = [*reversed(by_name), *reversed(by_folder)]
    word = next((w for w in nearest if w in _SPLIT_OF), None)
    says = next(("target" if w in _TARGET else "pool" for w in nearest if w in _TARGET | _POOL), None)
    family = tuple(w for w in (*by_folder, "/", *by_name) if w not in _SPLIT_OF)
    return _Named(found, _SPLIT_OF[word] if word else None, says, family)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.lower())


def _train_of(everything: list[_Named], left: dict[str, str]) -> tuple[_Named, str]:
    """The training examples, and what tells."""
    if len(everything) == 1:
        others = "; ".join(f"{path}: {why}" for path, why in left.items())
        what = f"is all that is read ({others})" if others else "is all there is"
        what += ", and a task needs two things: a target and a candidate pool"
        raise BadInput(everything[0].found.named, what, "Give both; --target FILE says which is the target")
    total = sum(one.found.size for one in everything)
    families: dict[tuple[str, ...], list[_Named]] = {}
    for one in everything:
        if one.says != "pool" and (one.split or one.says == "target"):
            families.setdefault(one.family, []).append(one)
    by_name = [family for family in families.values() if any(one.says == "target" for one in family)]
    if not by_name:  # a set with a train split that is the larger part of all this may as well be the pool
        with_train = [family for family in families.values() if any(one.split == "train" for one in family)]
        by_name = [family for family in with_train if 2 * sum(one.found.size for one in family) < total]
        if with_train and not by_name:
            _give_up([one for family in with_train for one in family])
    if len(by_name) > 1:
        _give_up([one for family in by_name for one in family])
    if by_name:
        return _only_train(by_name[0], "the target"), "its name says so"
    if families:
        names = ", ".join(one.found.named for family in families.values() for one in family)
        raise BadInput(names, "is to test on, by its name, and there is nothing to train on", _FIX)
    small = sorted(everything, key=lambda one: one.found.size)
    plain = [one for one in small if one.says is None]
    if len(small) > 1 and plain and (len(plain) < len(small) or _SMALLER * small[0].found.size <= small[1].found.size):
        if len(plain) == 1:
            return plain[0], "the others are the pool by their names"
        if plain[0] is small[0] and _SMALLER * plain[0].found.size <= plain[1].found.size:
            return plain[0], f"by far the smallest: {_bytes(small[0])}, the next {_bytes(small[1])}"
    return _give_up(small)


def _only_train(own: list[_Named], what: str) -> _Named:
    """The one that is trained on, of what is the target's."""
    train = [one for one in own if one.split == "train"] or [one for one in own if one.split is None]
    if not train and len(own) == 1:
        fix = "Give the training examples: what is selected for must not be what is tested on"
        raise BadInput(own[0].found.named, f"is a {own[0].split} split by its name", fix)
    if len(train) != 1:
        names = ", ".join(one.found.named for one in own)
        raise BadInput(names, f"of these, {len(train)} could be the training examples of {what}", _FIX)
    return train[0]


def _give_up(among: list[_Named]) -> tuple[_Named, str]:
    names = ", ".join(f"{one.found.named} ({_bytes(one)})" for one in among)
    raise BadInput(names, "neither name nor size tells which is the target and which the candidate pool", _FIX)


def _bytes(one: _Named) -> str:
    size = float(one.found.size)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
