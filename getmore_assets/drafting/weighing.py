"""Which way to tell the target from the pool is the likeliest, where names do not tell: by labels, then by size.

Belongs here: a look into what could be the target. Does not: names (`sides.py`), or whether a way can be run
(`draft.py`).
"""

from dataclasses import dataclass, replace

from getmore_assets.drafting.column_roles import is_called_label, label_of, text_of
from getmore_assets.drafting.column_samples import NoTextsError, look
from getmore_assets.drafting.files import SourceFiles
from getmore_assets.drafting.sides import PoolAndTarget

_LOOKED_AT = 2000  # rows
_CLEARLY = 5  # times: a target of this part of another's size is clearly the smaller one
_NOTES = 20  # text files that are fewer than this are rather notes than examples


@dataclass(frozen=True)
class Way:
    """A way to tell the target from the pool, and what speaks for it.

    Attributes:
        sides: The way; `why` says what speaks for it.
        place: 0 where a column is called as labels are, 1 where one has values that repeat, 2 where there is none, 3
            where the target is a few text files.
        size: Of the target's training examples, in bytes.
    """

    sides: PoolAndTarget
    place: int
    size: int

    @property
    def target(self) -> str:
        """What `--target` names it by."""
        return self.sides.target["train"].path

    def is_near(self, other: "Way") -> bool:
        """Whether neither labels nor size set two ways clearly apart."""
        small, large = sorted((self.size, other.size))
        return self.place == other.place and large < _CLEARLY * small


def weigh(ways: list[PoolAndTarget]) -> list[Way]:
    """Every way that makes sense, the likeliest first.

    Args:
        ways: Of `tell_apart`; one alone is not looked into.

    Raises:
        BadInput: A file cannot be read.
        NoTextsError: No file has texts.
    """
    if len(ways) == 1:
        train = ways[0].target["train"]
        return [Way(ways[0], 0, train.size)]
    found, refused = [], []
    for sides in ways:
        train = sides.target["train"]
        try:
            label = _label(train)
        except NoTextsError as error:
            refused.append(error)
            continue
        size = f"{said_size(train.size)}, where the others have {said_size(sum(one.size for one in sides.pool))}"
        if label and is_called_label(label):
            place, why = 0, f"it has labels, in `{label}`"
        elif label:
            place, why = 1, f"`{label}` may be its labels"
        else:
            place, why = 3 if train.kind == "text" and len(train.files) < _NOTES else 2, f"it is small: {size}"
        if label or _CLEARLY * sum(one.size for one in sides.pool) >= train.size:
            found.append(Way(replace(sides, why=sides.why or why), place, train.size))
    if not found:
        raise refused[0]
    return sorted(found, key=lambda way: (way.place, way.size))


def _label(train: SourceFiles) -> str | None:
    """The column with labels of what could be training examples, where it has one."""
    table = look(train, _LOOKED_AT)
    text = text_of(table)
    texts = table.shape.columns if table.shape else [str(text.column)]
    column = label_of(table, [], texts).column
    return column if isinstance(column, str) else None


def said_size(size: float) -> str:
    """A number of bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
