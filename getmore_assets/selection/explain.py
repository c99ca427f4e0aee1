"""Why one row is in a selection or out of it, and what would have had to change.

Belongs here: putting together what the stages decided about a row. Does not: deciding.
"""

from dataclasses import dataclass, field

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.records import Records
from getmore_assets.selection.destinations import destinations
from getmore_assets.selection.ground import Tables

_ORDER = {**{name: at for at, name in enumerate(candidates.STATIONS)}, "selected_subset": len(candidates.STATIONS)}
_FEWEST = 8  # characters of an id that name a row
_GONE = "(has left the target since the solve, which stands as the task lets such change pass)"


@dataclass(frozen=True)
class Nearest:
    """A target row that the plan sends a candidate to.

    Attributes:
        id: Of the target row.
        share: Of the candidate's mass that goes there, 0 to 1.
        text: Of the target row; where it has left the target since the solve, that it has.
    """

    id: str
    share: float
    text: str


@dataclass(frozen=True)
class Explanation:
    """One row's way through the line.

    Attributes:
        row: The pool's: id, text, source, domain, origin, n_tokens.
        decision: selected, not selected, or excluded.
        stages: What each station decided: (station, decision, reason).
        rank: Among the candidates, from 1; None where it is none.
        score: Smaller is chosen sooner; None where it is no candidate.
        cut: The score of the last row that was selected.
        nearest: Where the plan sends it, most first.
        change: What would have had to be otherwise.
    """

    row: dict[str, object]
    decision: str
    stages: list[tuple[str, str, str]]
    rank: int | None = None
    score: float | None = None
    cut: float | None = None
    nearest: list[Nearest] = field(default_factory=list)
    change: list[str] = field(default_factory=list)


def of_task(task: Task, name: str) -> Explanation:
    """Explain one row of the selection that was made last; `name` as in `explain`.

    Raises:
        BadInput: Nothing has been selected yet, or no row, or more than one, has that name.
    """
    made = Records(Lake(task.lake), task.name).get("selected_subset")
    if made is None:
        raise BadInput(f"task {task.name}", "nothing has been selected yet", "Run it first: getmore select")
    tables = Tables(**{station: made.input_table(station) for station in Tables.__dataclass_fields__})
    ledger, asked = TableRef(**made.facts["ledger"]), Task.model_validate(made.settings)
    return explain(asked, tables, ledger, made.table_ref(), made.facts["encoder"], made.facts["epsilon"], name)


def explain(
    task: Task, tables: Tables, ledger: TableRef, selected: TableRef, encoder: str, epsilon: float, name: str
) -> Explanation:
    """Explain one row.

    Args:
        task: Whose selection.
        tables: That it was made from, each at its version.
        ledger: The row ledger.
        selected: The selected subset.
        encoder: Fingerprint of the encoder whose vectors the potentials belong to.
        epsilon: At which they were solved for, absolute.
        name: The row's id, the first eight characters of it or more, or its text.

    Raises:
        BadInput: No row of the pool, or more than one, has that name.
    """
    row = _row(tables.raw_corpus, task, name)
    mine = pl.col("target") == task.name
    fate = ledger.scan().filter(mine & (pl.col("id") == row["id"])).collect()
    if not fate.height:
        raise BadInput(f"row {row['id']}", "came to the pool after this selection was made", "Run the line again")
    decision, station, reason = (fate[column][0] for column in ("decision", "station", "reason"))
    stages = [(name, "passed", "") for name in candidates.STATIONS[: _ORDER[station]]]
    if decision == "excluded":
        stages.append((station, decision, reason))
        return Explanation(row, decision, stages, change=_to_be_a_candidate(task, tables, row, station))
    if fate["rank"][0] is None:
        stages.append((station, decision, reason))
        return Explanation(row, decision, stages, change=["the imported choice would have to name it"])
    picks = selected.scan().filter(mine).sort("rank").select("id", "score", "n_tokens").collect()
    rank, score, cut = fate["rank"][0], fate["score"][0], picks["score"][-1]
    why = f"rank {rank:,}, score {score:.6g}; the budget pays for {picks.height:,} rows, the last with score {cut:.6g}"
    stages.append((station, decision, f"{task.selection.called}: {why}"))
    nearest = _nearest(task, tables, encoder, epsilon, str(row["id"]))
    change = _to_drop_out(rank, picks) if decision == "selected" else _to_be_taken(task, rank, score, cut)
    return Explanation(row, decision, stages, rank, score, cut, nearest, change)


def _row(raw_corpus: TableRef, task: Task, name: str) -> dict[str, object]:
    rows = pool.scan_pool(raw_corpus, pool.pool_key(task))
    is_id = len(name) >= _FEWEST and all(c in "0123456789abcdef" for c in name)
    wanted = pl.col("id").str.starts_with(name) if is_id else pl.col("text").str.contains(name, literal=True)
    columns = ["id", "text", "source", "domain", "origin", "n_tokens", "duplicate_of", "held_out"]
    found = rows.filter(wanted).select(columns).head(2).collect()
    if found.height != 1:
        what = "is in no row of the pool" if not found.height else "is in several rows of the pool"
        raise BadInput(f"row {name!r}", what, f"Give its id ({_FEWEST} characters or more), or all of its text")
    return found.row(0, named=True)


def _to_be_a_candidate(task: Task, tables: Tables, row: dict[str, object], station: str) -> list[str]:
    """What would have kept a row in that a station took out."""
    if station == "domain_triage":
        triage = tables.domain_triage.scan().filter(pl.col("target") == task.name).collect()
        place = triage.filter(pl.col("domain") == row["domain"])["nearness"][0]
        return [f"`triage.keep` would have to be {place} or more: so many domains are as near as its own"]
    if station == "leakage":
        leak = candidates.leaks_of(tables.leakage, task).filter(pl.col("id") == row["id"]).row(0, named=True)
        share = f"{leak['overlap']:.0%} of which it overlaps"
        return [f"row {leak['of']}, {share}, would have to leave the target's {leak['split']}; or set `leakage: allow`"]
    if station == "target_data":
        return ["the same text would have to leave what the target is evaluated on"]
    if row["held_out"]:
        return ["`corpus.held_out` would have to be smaller: the row is kept to measure forgetting on"]
    return [
        f"row {row['duplicate_of']}, which it copies, would have to leave the pool: it stands for both",
        f"or `corpus.near_duplicates` would have to be above {task.corpus.near_duplicates}",
    ]


def _to_drop_out(rank: int, picks: pl.DataFrame) -> list[str]:
    fewer, words = rank - 1, int(picks["n_tokens"][: rank - 1].sum())
    return [
        f"a budget of {fewer:,} rows or fewer ({words:,} tokens) would leave it out",
        f"so would {picks.height - fewer:,} more candidates with a lower score than its own",
    ]


def _to_be_taken(task: Task, rank: int, score: float, cut: float) -> list[str]:
    change = [f"a budget of {rank:,} rows or more would take it"]
    if score > cut:
        change.insert(0, f"its score would have to be lower by {score - cut:.6g}, to {cut:.6g}")
    if task.selection.selector == "got-d":
        change.append("a target with more rows like it would lower its score: see where the plan sends it")
    return change


def _nearest(task: Task, tables: Tables, encoder: str, epsilon: float, id_: str) -> list[Nearest]:
    """The target rows that the plan sends the row to, with their shares."""
    (ids,), (shares,) = destinations(task, tables, encoder, epsilon, [id_])
    mine = (pl.col("target") == task.name) & (pl.col("split") == "train")
    rows = tables.target_data.scan().filter(mine & pl.col("id").is_in(ids))
    texts = dict(rows.select("id", "text").collect().iter_rows())
    return [Nearest(to, share, texts.get(to, _GONE)) for to, share in zip(ids, shares, strict=True)]
