"""The contents of a lake, compared with the expected contents, and leftovers in it.

Belongs here: reading a lake, and describing what is wrong. Does not: faults.
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
from getmore_assets.task_parsing import load_task
from tests.drives.command import Place

_SLIGHT = 1e-3  # relative difference of a perplexity that is noted, and is no failure
#: If a solve started from earlier potentials, rows whose scores differ by less may be in either order: this is the
#: tolerance of a solve.
_TIE = 1e-3
_OVER = {"SUCCESS", "FAILURE", "CANCELED"}  # statuses of ended Dagster runs


@dataclass(frozen=True)
class Contents:
    """The contents of a lake that are compared.

    Attributes:
        ids: The selected ids, in order.
        rows: The number of the task's rows in each table, at the version in its record.
        selection_hash: The selection hash in the record.
        scored: The perplexity by selector and seed.
        scores: The scores of the selected rows, in order.
        goes_on: Whether the solve started from earlier potentials.
    """

    ids: list[str]
    rows: dict[str, int]
    selection_hash: str
    scored: dict[str, float]
    scores: list[float] = field(default_factory=list)
    goes_on: bool = False

    def differs_in_ties_alone(self, other: "Contents") -> bool:
        """Return whether the same rows are selected, and only rows with nearly equal scores are in another order."""
        if not self.goes_on or set(self.ids) != set(other.ids):
            return False
        score = dict(zip(other.ids, other.scores, strict=True))
        return all(abs(score[a] - score[b]) < _TIE for a, b in zip(self.ids, other.ids, strict=True))


@dataclass
class Result:
    """The result of a scenario.

    Attributes:
        fault: The name of the scenario.
        when: The stage that was being materialized.
        said: The last line of the disturbed command's log.
        seconds: The time until the disturbed command ended.
        code: The exit code of the disturbed command.
        reused: The number of stages that the rerun did not materialize again.
        wrong: The failures.
        notes: Other remarks.
        skipped: Why the scenario was skipped, or empty.
        lake: The folder of the kept lake, if the scenario failed.
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

    def must(self, holds: bool, failure: str) -> None:
        """Add a failure unless a condition holds."""
        if not holds:
            self.wrong.append(failure)

    @property
    def outcome(self) -> str:
        """The outcome in one line."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        return "; ".join(["FAILED: " + "; ".join(self.wrong)] if self.wrong else ["held", *self.notes])


#: The stages of `getmore select` with a selector that needs no base model.
UP_TO_SUBSET = tuple(name for name in STAGE_NAMES[: STAGE_NAMES.index("selected_subset") + 1] if name != "base_model")


def contents(place: Place, stages: Sequence[str] = STAGE_NAMES) -> Contents:
    """Read the contents of a lake, for some stages."""
    task, records = load_task(place.file), Records(place.lake, place.task)
    exported = pl.read_parquet(place.lake.root / "exports" / place.task / "selected.parquet")
    rows, ids = {}, exported["id"].to_list()
    for stage in stages:
        record = records.get(stage)
        if record is None:
            raise LookupError(f"{stage} has no record, or its table or folder is missing")
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
    return Contents(ids, rows, selected.facts["selection_hash"], scored, exported["score"].to_list(), goes_on)


def _height(table: TableRef, task: str, key: str) -> int:
    rows, mine = table.scan(), pl.lit(True)
    columns = rows.collect_schema().names()
    if "target" in columns:
        mine = pl.col("target") == task
    elif "pool" in columns:
        mine = pl.col("pool") == key
    return int(rows.filter(mine).select(pl.len()).collect().item())


def vectors_of_task(place: Place) -> dict[str, np.ndarray]:
    """Return the vector of each candidate and each point of the target, by id.

    Raises:
        LookupError: An id has no vector, or several.
    """
    task, records = load_task(place.file), Records(place.lake, place.task)
    record = records.get("embeddings")
    if record is None:
        raise LookupError("embeddings has no record, or its table is missing")
    eligible = candidates.find(task, *(record.input_table(name) for name in candidates.INPUTS)).eligible
    points = points_of(record.input_table("target_data"), place.task)
    ids = pl.concat([eligible.select("id"), points.select("id")]).unique().sort("id")["id"]
    return dict(zip(ids, store.load(record.table_ref(), record.facts["encoder"], ids), strict=True))


def vector_differences(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[str]:
    """Describe how the vectors of a task differ; the same rows must have the same vectors."""
    lost, new = len(expected.keys() - found.keys()), len(found.keys() - expected.keys())
    common = expected.keys() & found.keys()
    off = sum(not np.allclose(expected[one], found[one], atol=1e-4) for one in common)
    counts = ((lost, "have no vector"), (new, "have a vector and should not"), (off, "have another vector"))
    return [f"{count} ids {what}" for count, what in counts if count]


def compare(result: Result, expected: Contents, found: Contents, apart: Collection[str] = ()) -> None:
    """Add a failure for each difference of two lakes; `apart` names tables whose rows are not compared."""
    common = len(set(expected.ids) & set(found.ids))
    if expected.ids != found.ids and found.differs_in_ties_alone(expected):
        result.notes.append("the same ids, near ties in another order")
    else:
        result.must(expected.ids == found.ids, f"{common} of {len(expected.ids)} ids in common, or in another order")
        result.must(expected.selection_hash == found.selection_hash, "another selection hash")
    for name in sorted(set(expected.rows) - set(apart)):
        rows, expected_rows = found.rows.get(name), expected.rows[name]
        result.must(rows == expected_rows, f"{name} has {rows} rows, not {expected_rows}")
    result.must(expected.scored.keys() == found.scored.keys(), f"scored: {sorted(found.scored)}")
    for name in expected.scored.keys() & found.scored.keys():
        off = abs(found.scored[name] / expected.scored[name] - 1)
        text = f"perplexity of {name} is {found.scored[name]:.9g}, not {expected.scored[name]:.9g} (off by {off:.1e})"
        if off > _SLIGHT:
            result.wrong.append(text)
        elif off:
            result.notes.append(text)


def leftovers(place: Place, mlflow: Path | None = None) -> list[str]:
    """Describe what should not be in a lake after a run; `mlflow` is the MLflow store's file, if not the lake's."""
    root, wrong = place.lake.root, []
    wrong += duplicates(place)
    for database, what, over in (
        (mlflow or root / "mlflow.db", "MLflow", {"FINISHED", "FAILED", "KILLED"}),
        (root / "dagster" / "history" / "runs.db", "Dagster", _OVER),
    ):
        if not database.exists():  # nothing was tracked, or the store is elsewhere
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
    """Describe what cannot be read in a lake: tables, records and the tables they name, fits, weights, exports."""
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
            except Exception as error:  # a reader may raise any exception
                wrong.append(f"{path.relative_to(root)} cannot be read: {type(error).__name__}: {error}"[:200])
    return wrong


def duplicates(place: Place) -> list[str]:
    """Describe ids that occur twice in a table whose ids must be unique."""
    wrong = []
    for table, key in (("raw_corpus", "pool"), ("embeddings", "encoder")):
        twice = pl.read_delta(place.lake.table(table)).group_by(key, "id").len().filter(pl.col("len") > 1).height
        if twice:
            wrong.append(f"{twice} ids occur twice in {table}")
    return wrong


def _statuses(store: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        return [status for (status,) in database.execute("select status from runs")]
