"""The rows that a report shows, and the shares of sources and domains before and after selection.

Belongs here: choosing and counting rows of the ledger. Does not: reading tables, or markup.
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.reporting import plain

EACH = 25  # rows of a group
_MOST_NAMES = 15
_ID = r" of [0-9a-f]{32}"


@dataclass(frozen=True)
class Group:
    """Neighbouring candidates in the ranking.

    Attributes:
        title: The title of the group.
        picked: Whether the candidates are selected.
        rows: At most `EACH` candidates, in order.
    """

    title: str
    picked: bool
    rows: pl.DataFrame


@dataclass(frozen=True)
class Share:
    """The share of a source or domain in the candidates and in the picks.

    Attributes:
        name: The name, or the number of other sources or domains taken together.
        rows: Number of candidates.
        before: Share of all candidates, 0 to 1.
        picks: Number of picks.
        after: Share of all picks, 0 to 1.
    """

    name: str
    rows: int
    before: float
    picks: int
    after: float

    @property
    def factor(self) -> float:
        """The lift: share of the picks over share of the candidates."""
        return self.after / self.before


def groups(candidates: pl.DataFrame) -> list[Group]:
    """Return the top of a ranking, the rows at both sides of the cut, and the bottom.

    Args:
        candidates: Every candidate: id, decision, rank (null for unranked rows), and other columns to show.
    """
    ranked = candidates.filter(pl.col("rank").is_not_null()).sort("rank")
    picked = ranked.filter(pl.col("decision") == "selected")
    rest = ranked.filter(pl.col("decision") != "selected")
    unranked = candidates.filter(pl.col("rank").is_null()).sort("id")  # ids are hashes: the first are a random sample
    every = [
        Group("The first picks", True, picked.head(EACH)),
        Group("The last picks, just above the cut", True, picked[EACH:].tail(EACH)),
        Group("The first not picked, just below the cut", False, rest.head(EACH)),
        Group("The last of all candidates", False, rest[EACH:].tail(EACH)),
        Group("Not chosen by the other tool (a sample)", False, unranked.head(EACH)),
    ]
    return [group for group in every if group.rows.height]


def shown(
    group: Group, texts: dict[str, str], near: dict[str, str], domains: list[str | None]
) -> list[dict[str, object]]:
    """Return the rows of a group as the template shows them.

    Args:
        group: The group.
        texts: The text of each row, by id.
        near: The text of each pick's nearest target row, by id.
        domains: The domains of the page's filter; a row refers to its domain by the position here.
    """
    rows = []
    for row in group.rows.iter_rows(named=True):
        start, rest, left_out = plain.parts(texts[row["id"]])
        rows.append(
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
    return rows


def mix(candidates: pl.DataFrame, column: str) -> list[Share]:
    """Return the shares of the fifteen sources or domains with most picks, and of all others together."""
    counted = (
        candidates.group_by(column)
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
    """Return stage, reason and count of the excluded rows, the most frequent first.

    Args:
        excluded: stage and reason of each row. Names and ids within reasons are removed before counting.
    """
    reason = pl.col("reason").str.split(":").list.first().str.replace(_ID, " of another")
    counted = excluded.group_by("stage", reason).len().sort("len", "stage", "reason", descending=[True, False, False])
    return [(stage, plain.visible(why), count) for stage, why, count in counted.iter_rows()]
