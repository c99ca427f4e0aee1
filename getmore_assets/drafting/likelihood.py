"""Ranking assignments of pool and target by likelihood, if names do not decide: by labels, then by size.

Belongs here: sampling the data that could be the target. Does not: names (`assignments.py`), or checking that a task
can be run (`proposal.py`).
"""

from dataclasses import dataclass, replace

from getmore_assets.drafting.assignments import Assignment
from getmore_assets.drafting.column_roles import is_called_label, label_of, text_of
from getmore_assets.drafting.column_samples import NoTextsError, look
from getmore_assets.drafting.files import SourceFiles

_SAMPLE = 2000  # rows
_CLEARLY = 5  # one target is clearly smaller than another if its size is less by this factor
_NOTES = 20  # fewer text files than this are more likely notes than examples


@dataclass(frozen=True)
class Ranked:
    """An assignment of pool and target, with its likelihood.

    Attributes:
        assignment: The assignment, with its reason in `why`.
        place: Lower is likelier: 0 for a column named like labels, 1 for a column with repeated values, 2 for neither,
            3 for a target of a few text files.
        size: Size of the target's training examples, in bytes.
    """

    assignment: Assignment
    place: int
    size: int

    @property
    def target(self) -> str:
        """The name of the target for `--target`."""
        return self.assignment.target["train"].path

    def is_near(self, other: "Ranked") -> bool:
        """Return whether neither labels nor sizes decide between two assignments."""
        small, large = sorted((self.size, other.size))
        return self.place == other.place and large < _CLEARLY * small


def by_likelihood(assignments: list[Assignment]) -> list[Ranked]:
    """Return the assignments that make sense, the likeliest first.

    Args:
        assignments: Assignments from `find_assignments`; a single one is not sampled.

    Raises:
        BadInput: A file cannot be read.
        NoTextsError: No file has texts.
    """
    if len(assignments) == 1:
        train = assignments[0].target["train"]
        return [Ranked(assignments[0], 0, train.size)]
    ranked, refused = [], []
    for assignment in assignments:
        train = assignment.target["train"]
        try:
            label = _label(train)
        except NoTextsError as error:
            refused.append(error)
            continue
        pool_size = sum(source.size for source in assignment.pool)
        size = f"{size_text(train.size)}, the others {size_text(pool_size)}"
        if label and is_called_label(label):
            place, why = 0, f"it has labels, in `{label}`"
        elif label:
            place, why = 1, f"`{label}` may be its labels"
        else:
            place, why = 3 if train.kind == "text" and len(train.files) < _NOTES else 2, f"it is small: {size}"
        if label or _CLEARLY * pool_size >= train.size:
            ranked.append(Ranked(replace(assignment, why=assignment.why or why), place, train.size))
    if not ranked:
        raise refused[0]
    return sorted(ranked, key=lambda each: (each.place, each.size))


def _label(train: SourceFiles) -> str | None:
    """Return the label column of possible training examples, or None."""
    table = look(train, _SAMPLE)
    text = text_of(table)
    texts = table.shape.columns if table.shape else [str(text.column)]
    column = label_of(table, [], texts).column
    return column if isinstance(column, str) else None


def size_text(size: float) -> str:
    """Return a number of bytes as text."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
