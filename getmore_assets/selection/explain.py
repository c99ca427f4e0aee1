"""Why a row is in a selection or not, and what would change the decision.

Belongs here: collecting the decisions of all stages about a row. Does not: deciding, or the counterfactuals of a row's
rank (`counterfactuals.py`).
"""

import unicodedata
from dataclasses import dataclass, field

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.identity import content_id
from getmore_assets.corpus.passages import clean
from getmore_assets.corpus.target import EVALUATION, TargetFacts
from getmore_assets.errors import BadInput
from getmore_assets.facts import SelectionFacts
from getmore_assets.lake import Lake, TableRef
from getmore_assets.records import Records
from getmore_assets.selection.budget import resolved
from getmore_assets.selection.context import Tables
from getmore_assets.selection.counterfactuals import Position, decider
from getmore_assets.selection.plan_rows import nearest_targets_of

_PASSED = (*candidates.INPUTS[:-1], "embeddings", candidates.INPUTS[-1])  # in the order in which they exclude rows
_ORDER = {**{name: at for at, name in enumerate(_PASSED)}, "selected_subset": len(_PASSED)}
_LEAST_CHARS = 8  # of an id
_ELSEWHERE = "the same text would have to leave the target's evaluated rows"
_OVERLAPPED = "the row that it overlaps would have to leave the target's evaluated rows; or set `leakage: allow`"
_GONE = "(has left the target since the solve, which was kept because the drift is within the task's limit)"

#: The rows taken out of each split of the target, as in `TargetFacts`: id, origin and reason of each row.
Left = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Nearest:
    """A target row that gets mass of a candidate in the plan.

    Attributes:
        id: Id of the target row.
        share: Share of the candidate's mass that the target row gets, 0 to 1.
        text: Text of the target row; a note if the row has left the target since the solve.
    """

    id: str
    share: float
    text: str


@dataclass(frozen=True)
class Explanation:
    """The decisions of all stages about one row.

    Attributes:
        row: For a pool row: id, text, source, domain, origin, n_tokens. For a row that is only in the target: id, text,
            domain, origin; text and domain are empty for a row taken out of the target, because they are not stored.
        decision: selected, not selected, or excluded; for a row that is only in the target, the splits that contain it,
            or from which it was taken out.
        stages: Each stage's decision: (stage, decision, reason).
        rank: Rank among the candidates, from 1; None for a row that is no candidate.
        score: Score of the selector; None for a row that is no candidate.
        cut: The score of the last selected row; None if rows are not selected by lowest score.
        nearest: Target rows that get the row's mass, largest share first.
        change: Changes that would reverse the decision.
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
    """Explain one row of the last selection; `name` as in `explain`.

    Raises:
        BadInput: Nothing has been selected yet, or `name` matches no row or several rows.
    """
    records = Records(Lake(task.lake), task.name)
    subset = records.get("selected_subset")
    if subset is None:
        raise BadInput(f"task {task.name}", "nothing has been selected yet", "Run it first: getmore select")
    tables = Tables(**{stage: subset.input_table(stage) for stage in Tables.__dataclass_fields__})
    targets = [record for record in records.materializations("target_data") if record.table == tables.target_data]
    left = TargetFacts.of(targets[-1]).left if targets else {}
    return explain(Task.model_validate(subset.settings), tables, SelectionFacts.of(subset), left, name)


def explain(task: Task, tables: Tables, facts: SelectionFacts, left: Left, name: str) -> Explanation:
    """Explain one row.

    Args:
        task: The task of the selection.
        tables: The tables that the selection read, each at its version.
        facts: Facts of the selection: ledger, encoder, epsilon, number of candidates, and facts of the selector.
        left: Rows that were taken out of the target.
        name: The row's id, its first eight characters or more, or the row's text; searched in the pool, then in the
            target.

    Raises:
        BadInput: `name` matches no row or several rows.
    """
    row = _row(tables.raw_corpus, task, name)
    if row is None:
        return _of_target(task, tables, left, name)
    ledger = facts.fates(task.name)
    fate = ledger.filter(pl.col("id") == row["id"]).collect()
    if not fate.height:
        raise BadInput(f"row {row['id']}", "was added to the pool after this selection", "Run the pipeline again")
    decision, stage, reason, rank = (fate[column][0] for column in ("decision", "stage", "reason", "rank"))
    stages = _in_target(task, tables, left, str(row["id"]))
    stages += [(name, "passed", "") for name in _PASSED[: _ORDER[stage]]]
    if decision == "excluded":
        stages.append((stage, decision, reason))
        return Explanation(row, decision, stages, change=_to_be_a_candidate(task, tables, row, stage))
    if rank is None:
        stages.append((stage, decision, reason))
        return Explanation(row, decision, stages, change=["the imported selection would have to name it"])
    chosen, position = task.selection, _position(task, tables, facts, ledger, rank)
    why, change = position.why, position.change
    if position.chosen is not chosen:
        winner = position.chosen.called
        why = f"{winner} won; {why}"
        change.append(f"another budget has its own race: statements on budgets hold while {winner} wins")
    stages.append((stage, decision, f"{chosen.called}: {why}"))
    nearest = _nearest(task, tables, facts.encoder, facts.epsilon, str(row["id"]))
    return Explanation(row, decision, stages, rank, position.score, position.cut, nearest, change)


def _row(raw_corpus: TableRef, task: Task, name: str) -> dict[str, object] | None:
    """Return the pool row that `name` matches, or None."""
    rows = pool.scan_pool(raw_corpus, pool.pool_key(task))
    columns = ["id", "text", "source", "domain", "origin", "n_tokens", "duplicate_of", "held_out"]
    matches = _matching(rows.select(columns), name, 2)
    if matches.height > 1:
        raise _no_single_match(name, "is in several rows of the pool")
    return matches.row(0, named=True) if matches.height else None


def _is_id(name: str) -> bool:
    return len(name) >= _LEAST_CHARS and all(c in "0123456789abcdef" for c in name.lower())


def _matching(rows: pl.LazyFrame, name: str, most: int | None = None) -> pl.DataFrame:
    """Return the rows with that id, else with that text, else with that piece of text; stored texts are clean."""
    text = pl.col("text")
    piece = unicodedata.normalize("NFC", name)
    conditions = [pl.col("id").str.starts_with(name.lower())] if _is_id(name) else []
    conditions += [text == clean(name), text.str.contains(piece, literal=True)]
    if clean(name) not in ("", piece.strip(" \t\n")):  # text copied from a file, with line ends and control characters
        conditions.append(text.str.contains(clean(name), literal=True))
    for condition in conditions:
        matches = (rows.filter(condition) if most is None else rows.filter(condition).head(most)).collect()
        if matches.height:
            return matches
    return rows.head(0).collect()


def _no_single_match(name: str, what: str) -> BadInput:
    return BadInput(f"row {name!r}", what, f"Give its id ({_LEAST_CHARS} characters or more), or all of its text")


def _of_target(task: Task, tables: Tables, left: Left, name: str) -> Explanation:
    """Explain a row that is not in the pool: a row of the target, or one that was taken out of the target."""
    target = tables.target_data.of_target(task.name)
    rows = _matching(target.select("id", "text", "domain", "origin"), name).to_dicts()
    id_ = name.lower() if _is_id(name) else content_id(clean(name))  # the text of rows taken out is not stored
    gone = [row for rows_left in left.values() for row in rows_left if row["id"].startswith(id_)]
    matches = [*rows, *({"id": row["id"], "text": "", "domain": "", "origin": row["origin"]} for row in gone)]
    if len({match["id"] for match in matches}) != 1:
        several = "is in several rows of the target"
        raise _no_single_match(name, several if matches else "was not found in the pool or the target")
    row = matches[0]
    stages = _in_target(task, tables, left, row["id"])
    decisions = [decision for _, decision, _ in stages]
    if gone:
        evaluated = any(f"in {split}" in decisions for split in EVALUATION)
        change = _ELSEWHERE if evaluated else _OVERLAPPED
    else:
        change = "to be a candidate, it would have to be in the pool and not in the target's evaluated rows"
    return Explanation(row, ", ".join(decisions), stages, change=[change])


def _in_target(task: Task, tables: Tables, left: Left, id_: str) -> list[tuple[str, str, str]]:
    """Return the splits of the target that have a text, and those that it was taken out of, with reasons."""
    rows = tables.target_data.of_target(task.name).filter(pl.col("id") == id_)
    splits = rows.select("split").unique().collect()["split"]
    gone = {(split, row["reason"]) for split, rows_left in left.items() for row in rows_left if row["id"] == id_}
    return [
        *(("target_data", f"in {split}", "") for split in sorted(splits)),
        *(("target_data", f"taken out of {split}", reason) for split, reason in sorted(gone)),
    ]


def _to_be_a_candidate(task: Task, tables: Tables, row: dict[str, object], stage: str) -> list[str]:
    """Return the changes that would make an excluded row a candidate."""
    if stage == "domain_triage":
        triage = tables.domain_triage.of_target(task.name).collect()
        nearness = triage.filter(pl.col("domain") == row["domain"])["nearness"][0]
        return [f"`triage.keep` would have to be {nearness} or more: its domain has this rank by distance"]
    if stage == "leakage":
        leak = candidates.leaks_of(tables.leakage, task).filter(pl.col("id") == row["id"]).row(0, named=True)
        share = f"{leak['overlap']:.0%} of which it overlaps"
        return [f"row {leak['of']}, {share}, would have to leave the target's {leak['split']}; or set `leakage: allow`"]
    if stage == "embeddings":
        return ["another `encoder.model` would have to know a token of its text"]
    if stage == "target_data":
        return [_ELSEWHERE]
    if row["held_out"]:
        return ["`corpus.held_out` would have to be smaller: the row is held out to measure forgetting"]
    return [
        f"row {row['duplicate_of']}, which it copies, would have to leave the pool: it stands for both",
        f"or `corpus.near_duplicates` would have to be above {task.corpus.near_duplicates}",
    ]


def _position(task: Task, tables: Tables, facts: SelectionFacts, ledger: pl.LazyFrame, rank: int) -> Position:
    """Return the position of the candidate at a rank, with all rows before it, all selected rows, and the next row."""
    last = pl.max_horizontal(pl.lit(rank), (pl.col("decision") == "selected").sum() + 1)
    tokens = pool.scan_pool(tables.raw_corpus, pool.pool_key(task)).select("id", "n_tokens")
    ranked = ledger.filter(pl.col("rank") <= last).select("id", "rank", "score").join(tokens, on="id").sort("rank")
    budget = resolved(task.selection.budget, facts.candidates)
    shown = ranked.select("rank", "score", "n_tokens").collect()
    return Position(decider(task.selection, facts), facts, budget, shown, rank)


def _nearest(task: Task, tables: Tables, encoder: str, epsilon: float, id_: str) -> list[Nearest]:
    """Return the target rows that get the row's mass in the plan, with their shares."""
    (ids,), (shares,) = nearest_targets_of(task, tables, encoder, epsilon, [id_])
    rows = tables.target_data.of_target(task.name).filter((pl.col("split") == "train") & pl.col("id").is_in(ids))
    texts = dict(rows.select("id", "text").collect().iter_rows())
    return [Nearest(to, share, texts.get(to, _GONE)) for to, share in zip(ids, shares, strict=True)]
