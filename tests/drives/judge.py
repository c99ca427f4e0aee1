"""What a lake holds, what it should hold, and what should not be left in it.

Belongs here: reading a lake, and saying in words what is wrong with it. Does not: faults.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file

from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.lake import TableRef
from getmore_assets.records import STAGE_NAMES, Records
from getmore_assets.task_files import load_task
from tests.drives.command import Place

_SLIGHT = 1e-3  # relative difference of a perplexity that is told, not held against the run
#: Scores nearer than this may stand in either order where a solve went on from another's potentials: it is the
#: tolerance of a solve, and a score moves by about so much.
_TIE = 1e-3
_OVER = {"SUCCESS", "FAILURE", "CANCELED"}  # of Dagster's runs


@dataclass(frozen=True)
class Holds:
    """What counts of a lake.

    Attributes:
        ids: Selected, in order.
        rows: Of each table of the task, at the version in its record.
        selection_hash: Of the record.
        scored: Perplexity by selector and seed.
        scores: Of the selected rows, in order.
        goes_on: Whether the potentials were solved from those of an earlier solve.
    """

    ids: list[str]
    rows: dict[str, int]
    selection_hash: str
    scored: dict[str, float]
    scores: list[float] = field(default_factory=list)
    goes_on: bool = False

    def differs_in_ties_alone(self, other: "Holds") -> bool:
        """Whether the same rows stand in another order only where their scores are as good as equal."""
        if not self.goes_on or set(self.ids) != set(other.ids):
            return False
        score = dict(zip(other.ids, other.scores, strict=True))
        return all(abs(score[a] - score[b]) < _TIE for a, b in zip(self.ids, other.ids, strict=True))


@dataclass
class Result:
    """One fault, and what came of it.

    Attributes:
        fault: Which.
        when: The stage that was being made.
        said: The last line of the disturbed command.
        seconds: Until the disturbed command ended.
        code: Its exit code.
        reused: Stages that the rerun did not make again.
        wrong: What did not hold.
        notes: What is worth telling beside that.
        skipped: Why it was not tried; empty where it was.
        lake: Where the lake is kept, for diagnosis.
    """

    fault: str
    when: str = ""
    said: str = ""
    seconds: float = 0.0
    code: int | None = None
    reused: int | None = None
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    lake: str = ""

    def must(self, holds: bool, else_: str) -> None:
        """Note what did not hold."""
        if not holds:
            self.wrong.append(else_)

    @property
    def outcome(self) -> str:
        """In one line."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        return "; ".join(["FAILED: " + "; ".join(self.wrong)] if self.wrong else ["held", *self.notes])


#: The stages of `getmore select`, where the selector asks no model.
UP_TO_SUBSET = tuple(name for name in STAGE_NAMES[: STAGE_NAMES.index("selected_subset") + 1] if name != "base_model")


def holds(place: Place, stages: Sequence[str] = STAGE_NAMES) -> Holds:
    """Read a lake, as far as the stages go."""
    task, records = load_task(place.file), Records(place.lake, place.task)
    exported = pl.read_parquet(place.lake.root / "exports" / place.task / "selected.parquet")
    rows, ids = {}, exported["id"].to_list()
    for stage in stages:
        record = records.get(stage)
        if record is None:
            raise LookupError(f"{stage} has no record, or what it names is gone")
        if record.table:
            rows[stage] = _height(record.table, place.task, pool.pool_key(task))
    selected = records.get("selected_subset")
    assert selected
    of_table = selected.table_ref().scan().filter(pl.col("target") == place.task).sort("rank").collect()["id"].to_list()
    if of_table != ids:
        raise LookupError("the exported selection is not the one in the table")
    scored = {}
    if "scorecard" in stages and (scores := records.get("scorecard")):
        table = scores.table_ref().scan().filter(pl.col("target") == place.task).collect()
        scored = {f"{name}, seed {seed}": value for name, seed, value in table["selector", "seed", "perplexity"].rows()}
    ledger = place.lake.latest("row_ledger")
    assert ledger
    rows["row_ledger"] = _height(ledger, place.task, "")
    solved = records.get("ot_potentials")
    goes_on = solved is not None and "last potentials" in str(solved.facts.get("decision"))
    return Holds(ids, rows, selected.facts["selection_hash"], scored, exported["score"].to_list(), goes_on)


def _height(table: TableRef, task: str, key: str) -> int:
    rows, mine = table.scan(), pl.lit(True)
    columns = rows.collect_schema().names()
    if "target" in columns:
        mine = pl.col("target") == task
    elif "pool" in columns:
        mine = pl.col("pool") == key
    return int(rows.filter(mine).select(pl.len()).collect().item())


def vectors_of_task(place: Place) -> dict[str, np.ndarray]:
    """The vector of each candidate and each point of the target, by id.

    Raises:
        LookupError: One has none, or several.
    """
    task, records = load_task(place.file), Records(place.lake, place.task)
    record = records.get("embeddings")
    if record is None:
        raise LookupError("embeddings has no record, or what it names is gone")
    eligible = candidates.find(task, *(record.input_table(name) for name in candidates.INPUTS)).eligible
    points = points_of(record.input_table("target_data"), place.task)
    ids = pl.concat([eligible.select("id"), points.select("id")]).unique().sort("id")["id"]
    return dict(zip(ids, store.load(record.table_ref(), record.facts["encoder"], ids), strict=True))


def moved(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[str]:
    """What is wrong with the vectors of a task; the same rows must have the same vectors."""
    lost, new = len(expected.keys() - found.keys()), len(found.keys() - expected.keys())
    common = expected.keys() & found.keys()
    off = sum(not np.allclose(expected[one], found[one], atol=1e-4) for one in common)
    counts = ((lost, "have no vector"), (new, "have a vector and should not"), (off, "have another vector"))
    return [f"{count} ids {what}" for count, what in counts if count]


def compare(result: Result, expected: Holds, found: Holds, apart: Collection[str] = ()) -> None:
    """Note where a lake is not as expected; `apart` names tables whose rows are not compared."""
    common = len(set(expected.ids) & set(found.ids))
    if expected.ids != found.ids and found.differs_in_ties_alone(expected):
        result.notes.append("the same ids, near ties in another order")
    else:
        result.must(expected.ids == found.ids, f"{common} of {len(expected.ids)} ids in common, or in another order")
        result.must(expected.selection_hash == found.selection_hash, "another selection hash")
    for name in sorted(set(expected.rows) - set(apart)):
        rows, wanted = found.rows.get(name), expected.rows[name]
        result.must(rows == wanted, f"{name} holds {rows} rows, not {wanted}")
    result.must(expected.scored.keys() == found.scored.keys(), f"scored: {sorted(found.scored)}")
    for name in expected.scored.keys() & found.scored.keys():
        off = abs(found.scored[name] / expected.scored[name] - 1)
        said = f"perplexity of {name} is {found.scored[name]:.9g}, not {expected.scored[name]:.9g} (off by {off:.1e})"
        if off > _SLIGHT:
            result.wrong.append(said)
        elif off:
            result.notes.append(said)


def left_behind(place: Place, mlflow: Path | None = None) -> list[str]:
    """What a lake should not hold once a run has ended; `mlflow` is the store, where it is not the lake's."""
    root, wrong = place.lake.root, []
    wrong += doubled(place)
    for database, what, over in (
        (mlflow or root / "mlflow.db", "MLflow", {"FINISHED", "FAILED", "KILLED"}),
        (root / "dagster" / "history" / "runs.db", "Dagster", _OVER),
    ):
        if not database.exists():  # nothing was tracked, or runs are kept elsewhere
            continue
        open_ = [status for status in _statuses(database) if status not in over]
        if open_:
            wrong.append(f"{what} runs left {', '.join(open_)}")
    wrong += [f"left: {path.relative_to(root)}" for path in root.glob("work/*")]
    for folder in ("exports", "records", "models", "encoders", "runs"):
        found = (path for path in (root / folder).rglob("*") if ".partial" in path.name or path.name.startswith("."))
        wrong += [f"left: {path.relative_to(root)}" for path in found]
    return wrong


def unreadable(place: Place) -> list[str]:
    """What of a lake cannot be read: rows of tables, records and what they name, fits, weights."""
    root, wrong = place.lake.root, []
    readers: list[tuple[str, Callable[[Path], object]]] = [
        ("tables/*", lambda path: pl.read_delta(str(path)).height),
        ("records/*/*.json", lambda path: Records(place.lake, path.parent.name).require(path.stem, "")),
        ("encoders/*.safetensors", load_file),
        ("models/*/*/*.safetensors", load_file),
        ("exports/*/*.parquet", lambda path: pl.read_parquet(path).height),
    ]
    for pattern, read in readers:
        for path in sorted(root.glob(pattern)):
            try:
                read(path)
            except Exception as error:  # whatever it is that a reader cannot make sense of
                wrong.append(f"{path.relative_to(root)} cannot be read: {type(error).__name__}: {error}"[:200])
    return wrong


def doubled(place: Place) -> list[str]:
    """Ids that stand twice where each may stand once."""
    wrong = []
    for table, key in (("raw_corpus", "pool"), ("embeddings", "encoder")):
        twice = pl.read_delta(place.lake.table(table)).group_by(key, "id").len().filter(pl.col("len") > 1).height
        if twice:
            wrong.append(f"{twice} ids stand twice in {table}")
    return wrong


def _statuses(store: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        return [status for (status,) in database.execute("select status from runs")]
