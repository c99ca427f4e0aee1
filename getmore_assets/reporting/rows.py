"""Which rows a reader is shown, and how sources and domains are mixed before and after.

Belongs here: choosing and counting rows of a ledger. Does not: reading tables, or markup.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.reporting import plain

EACH = 25  # rows of a group
_MOST_NAMES = 15
_ID = r" of [0-9a-f]{32}"


@dataclass(frozen=True)
class Group:
    """Candidates that stand together in the order of the selection.

    Attributes:
        title: Which they are.
        picked: Whether they are in the selection.
        rows: Of `judged`, at most `EACH`, in their order.
    """

    title: str
    picked: bool
    rows: pl.DataFrame


@dataclass(frozen=True)
class Share:
    """What one source or domain has of the candidates and of the picks.

    Attributes:
        name: Its name, or how many others are taken together.
        rows: Candidates.
        before: Their share of all candidates, 0 to 1.
        picks: Of them selected.
        after: Their share of all picks, 0 to 1.
    """

    name: str
    rows: int
    before: float
    picks: int
    after: float

    @property
    def factor(self) -> float:
        """How many times more of it the picks have than the candidates."""
        return self.after / self.before


def groups(judged: pl.DataFrame) -> list[Group]:
    """The top, the cut from both sides, and the bottom of a ranking.

    Args:
        judged: Every candidate: id, decision, rank (null where none was given), and what else is shown of it.
    """
    ranked = judged.filter(pl.col("rank").is_not_null()).sort("rank")
    picked = ranked.filter(pl.col("decision") == "selected")
    rest = ranked.filter(pl.col("decision") != "selected")
    unranked = judged.filter(pl.col("rank").is_null()).sort("id")  # an id is a hash: the first are a random sample
    found = [
        Group("The first picks", True, picked.head(EACH)),
        Group("The last picks, just above the cut", True, picked[EACH:].tail(EACH)),
        Group("The first not picked, just below the cut", False, rest.head(EACH)),
        Group("The last of all candidates", False, rest[EACH:].tail(EACH)),
        Group("Not chosen by the other tool (a sample)", False, unranked.head(EACH)),
    ]
    return [group for group in found if group.rows.height]


def shown(
    group: Group, texts: dict[str, str], near: dict[str, str], domains: list[str | None]
) -> list[dict[str, object]]:
    """The rows of a group as a page shows them.

    Args:
        group: Of `groups`.
        texts: Of each row, by id.
        near: Of each pick, the text of the target row that most of it is sent to, by id.
        domains: That can be filtered by; a row says which of them is its own by its place, not its name.
    """
    found = []
    for row in group.rows.iter_rows(named=True):
        start, rest, left_out = plain.parts(texts[row["id"]])
        found.append(
            {
                **row,
                "picked": group.picked,
                "place": domains.index(row["domain"]),
                "domain": plain.name(row["domain"]),
                "source": plain.name(row["source"]),
                "start": start,
                "rest": rest,
                "left_out": left_out,
                "near": plain.parts(near.get(row["id"], ""))[0],
            }
        )
    return found


def mix(judged: pl.DataFrame, column: str) -> list[Share]:
    """The shares of each source or domain, those with most picks first; beyond fifteen, the others together."""
    counted = (
        judged.group_by(column)
        .agg(pl.len().alias("rows"), (pl.col("decision") == "selected").sum().alias("picks"))
        .sort("picks", "rows", column, descending=[True, True, False])
    )
    rows, picks = int(counted["rows"].sum()), int(counted["picks"].sum())
    named = [(plain.name(name), *counts) for name, *counts in counted.head(_MOST_NAMES).iter_rows()]
    others = counted[_MOST_NAMES:]
    if others.height:
        named.append((f"{others.height:,} others", int(others["rows"].sum()), int(others["picks"].sum())))
    return [Share(name, have, have / rows, taken, taken / picks if picks else 0.0) for name, have, taken in named]


def left_out(excluded: pl.DataFrame) -> list[tuple[str, str, int]]:
    """Stage, reason and count of the excluded rows, most first.

    Args:
        excluded: stage and reason of each. Names and ids within reasons are left out: it is counts that are shown.
    """
    reason = pl.col("reason").str.split(":").list.first().str.replace(_ID, " of another")
    counted = excluded.group_by("stage", reason).len().sort("len", "stage", "reason", descending=[True, False, False])
    return [(stage, plain.visible(why), count) for stage, why, count in counted.iter_rows()]
