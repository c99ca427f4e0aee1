"""Ranking assignments of pool and target by likelihood, where names do not decide: by labels, then by size.

Belongs here: sampling the data that could be the target. Does not: names (`sides.py`), or whether a task can be run
(`proposal.py`).
"""

from dataclasses import dataclass, replace

from getmore_assets.drafting.column_roles import is_called_label, label_of, text_of
from getmore_assets.drafting.column_samples import NoTextsError, look
from getmore_assets.drafting.files import SourceFiles
from getmore_assets.drafting.sides import PoolAndTarget

_LOOKED_AT = 2000  # rows in a sample
_CLEARLY = 5  # one target is clearly smaller than another if its size is less by this factor
_NOTES = 20  # fewer text files than this are more likely notes than examples


@dataclass(frozen=True)
class Way:
    """An assignment of pool and target, with its likelihood.

    Attributes:
        sides: The assignment, with its reason in `why`.
        place: Lower is likelier: 0 for a column named like labels, 1 for a column with repeated values, 2 for neither,
            3 for a target of a few text files.
        size: Size of the target's training examples, in bytes.
    """

    sides: PoolAndTarget
    place: int
    size: int

    @property
    def target(self) -> str:
        """The name of the target for `--target`."""
        return self.sides.target["train"].path

    def is_near(self, other: "Way") -> bool:
        """Return whether neither labels nor sizes decide between two assignments."""
        small, large = sorted((self.size, other.size))
        return self.place == other.place and large < _CLEARLY * small


def weigh(ways: list[PoolAndTarget]) -> list[Way]:
    """Return the assignments that make sense, the likeliest first.

    Args:
        ways: Assignments from `tell_apart`; a single one is not sampled.

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
    """Return the label column of possible training examples, or None."""
    table = look(train, _LOOKED_AT)
    text = text_of(table)
    texts = table.shape.columns if table.shape else [str(text.column)]
    column = label_of(table, [], texts).column
    return column if isinstance(column, str) else None


def said_size(size: float) -> str:
    """Return a number of bytes as text."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
