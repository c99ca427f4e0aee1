"""What each stage left behind, and from what: how the next run knows what is still good.

Belongs here: the record, and writing it so that a crash cannot half-write it. Does not: what a stage computes.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from getmore_assets.config import PYTHON_DOCS
from getmore_assets.contents import GONE, Contents, wrong_with
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import FRESH_S, Lake, TableRef, unfinished
from getmore_assets.relative_paths import absolute, relative

log = logging.getLogger(__name__)

#: What the id of a run begins with that is no run of Dagster, but a call from Python.
FROM_PYTHON = "python-"

#: The stages, in the order of the pipeline.
STAGE_NAMES = (
    "raw_corpus",
    "target_data",
    "leakage",
    "domain_triage",
    "embeddings",
    "ot_potentials",
    "base_model",
    "selected_subset",
    "warmed_model",
    "finetuned_model",
    "scorecard",
)


#: Of a record's file. Raise it where a reader of today would misread what is written.
#: 2: places are relative to the lake's root.
SCHEMA = 2
#: Keys of a record's file that are not the names of fields: files of every version have them.
_KEYS = {"stage": "station"}


def cache_key(stage: str, code_version: str, settings: Any, inputs: dict[str, str]) -> str:
    """Return the cache key of a materialization, which is equal if the stage would compute the same."""
    return fingerprint(stage, code_version, settings, inputs)


@dataclass(frozen=True)
class Record:
    """What one materialization of a stage left behind, and from what.

    `inputs` holds the data version of each stage it read; `lineage` everything upstream, at any distance, as tags:
    `table.<stage>` (path@version), `run.<stage>` (MLflow run) and `selection_hash`; `settings` the task as it was;
    `kept` why it serves for other inputs than it was made from, where it does; `contents` the hashes of `folders`;
    `tracked_at` where the MLflow run is, without credentials: a server or a store, empty for the lake's own store.
    """

    stage: str
    task: str
    fingerprint: str
    data_version: str
    code_version: str
    inputs: dict[str, str]
    lineage: dict[str, str]
    table: TableRef | None
    folders: dict[str, str]
    rows: int
    facts: JsonObject
    seconds: float
    peak_rss_mb: float
    dagster_run_id: str
    mlflow_run_id: str | None
    mlflow_url: str | None
    made_at: str
    figures: dict[str, str] = field(default_factory=dict)
    settings: JsonObject = field(default_factory=dict)
    kept: str | None = None
    contents: dict[str, Contents] = field(default_factory=dict)
    tracked_at: str = ""
    schema: int = SCHEMA

    def own_tags(self) -> dict[str, str]:
        """What this adds to the lineage of what is made from it."""
        own = {"table": f"{self.table.path}@v{self.table.version}" if self.table else None, "run": self.mlflow_run_id}
        tags = {f"{kind}.{self.stage}": value for kind, value in own.items() if value}
        if "selection_hash" in self.facts:
            tags["selection_hash"] = str(self.facts["selection_hash"])
        return tags

    def input_table(self, stage: str) -> TableRef:
        """The table, at its version, of a stage upstream of this one, as it was when this was materialized."""
        return tables_of(self.lineage)[stage]

    def table_ref(self) -> TableRef:
        """The table of a stage that writes one."""
        assert self.table is not None, f"{self.stage} writes no table"
        return self.table


def tables_of(tags: Mapping[str, str]) -> dict[str, TableRef]:
    """Return the tables that tags of a lineage name, by stage, each at its version."""
    named = {
        name.removeprefix("table."): tag.rpartition("@v") for name, tag in tags.items() if name.startswith("table.")
    }
    return {stage: TableRef(path, int(version)) for stage, (path, _, version) in named.items()}


def other_rows(record: Record, exported: Path) -> str | None:
    """Return what is wrong with exported rows of a record of an earlier version, which holds no hash of them, or None.

    They are compared with the table.
    """
    import polars as pl

    if record.table is None or exported.suffix != ".parquet":
        return None
    try:
        rows = record.table.of_target(record.task).sort("rank").select("id", "text").collect()
    except Exception:  # `damage.of_table` reports a damaged table
        return None
    return None if rows.equals(pl.read_parquet(exported).select("id", "text")) else "is not what was made"


class Records:
    """The records of each stage of a task, the last one and the earlier ones.

    A record is written after all that it names, and in one rename: a process killed at any moment leaves either the old
    record or the new one. On a store it is uploaded after all that it names, on top of the record that was read.
    """

    def __init__(self, lake: Lake, task: str) -> None:
        self.lake, self.task = lake, task
        lake.pull(f"records/{task}", within=FRESH_S)

    def _path(self, stage: str) -> Path:
        return self.lake.root / "records" / self.task / f"{stage}.json"

    def get(self, stage: str) -> Record | None:
        """Return the record of a stage, if there is one and its table, folders and files are there.

        Raises:
            BadInput: The record, or a model that it names, is damaged.
        """
        return self._read(self._path(stage))

    def last(self, stage: str) -> Record | None:
        """Return the record of a stage, if there is one, whether or not what it names is there."""
        path = self._path(stage)
        return parsed(path, self.lake) if path.is_file() else None

    def require(self, stage: str, fix: str) -> Record:
        """The record of a stage.

        Args:
            stage: Which.
            fix: What to do where there is none.

        Raises:
            BadInput: It has not been made, or what its record names is gone.
        """
        record = self.get(stage)
        if record is None:
            known = self.was_materialized(stage)
            what = "has lost what its record names" if known else "has not been made"
            raise BadInput(f"{stage} of {self.task}", what, f"{fix}, or: {REPAIR}" if known else fix)
        return record

    def _earlier(self, stage: str) -> Path:
        return self.lake.root / "records" / self.task / "earlier" / stage

    def was_materialized(self, stage: str) -> bool:
        """Return whether a stage was ever materialized, even if its table or model is gone."""
        return self._path(stage).is_file()

    def materializations(self, stage: str) -> list[Record]:
        """Every materialization of a stage that is remembered, the oldest first; what they name may be gone."""
        found = [
            record for path in self._earlier(stage).glob("*.json") if (record := _parsed_if_whole(path, self.lake))
        ]
        return sorted(found, key=lambda record: record.made_at)

    def _read(self, path: Path) -> Record | None:
        if not path.is_file():
            return None
        record = parsed(path, self.lake)
        if record.table is not None and not self.lake.holds(record.table):
            return None
        self.lake.pull(*self.lake.named(*record.folders.values(), *record.figures.values()), within=FRESH_S)
        for name, place in record.folders.items():
            wrong = wrong_with(Path(place), record.contents.get(name))
            if not wrong and name not in record.contents and self._is_exported(place):
                wrong = other_rows(record, Path(place))
            if wrong == GONE or (wrong and self._is_exported(place)):
                log.info("%s: %s %s", record.stage, place, wrong)
                return None
            if wrong:
                raise BadInput(place, f"{wrong} ({name} of {record.stage})", REPAIR)
        return record

    def _is_exported(self, place: str) -> bool:
        return Path(place).is_relative_to(self.lake.root / "exports")

    def cached(self, stage: str, fingerprint: str) -> Record | None:
        """The record of an earlier materialization from the same inputs, where all that it names is still as it was.

        What lies in `exports/` is the latest materialization's, so a stage that exports is run again.
        """
        for path in self._earlier(stage).glob(f"{fingerprint}-*.json"):
            try:
                found = self._read(path)
            except BadInput as error:  # it is made again
                log.warning("%s", error)
                continue
            lasting = found and not any(self._is_exported(place) for place in found.folders.values())
            if found and lasting and not found.kept:
                return found
        return None

    def put(self, record: Record) -> None:
        """Make this the record of its stage, and remember it among the earlier ones."""
        raw = {_KEYS.get(name, name): value for name, value in record.__dict__.items()}
        raw = {**raw, "table": record.table.__dict__ if record.table else None, "schema": SCHEMA}
        raw = relative(raw, self.lake)
        self.lake.push(*self.lake.named(*record.folders.values(), *record.figures.values()))
        remembered = self._earlier(record.stage) / f"{record.fingerprint}-{record.dagster_run_id}.json"
        text, files = json.dumps(raw, indent=1), (remembered, self._path(record.stage))
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_text("utf-8") != text:  # else a store would be sent it again
                write_atomically(path, text)
        self.lake.push(*self.lake.named(*files))


class LaterVersionError(BadInput):
    """A record is of a schema that this version of the package does not know; it is whole."""


def parsed(path: Path, lake: Lake) -> Record:
    """Return the record in a file, with absolute paths in the lake of the file.

    Fields that were added since without a new schema are left out.

    Raises:
        LaterVersionError: It is of a schema that only a later version reads.
        BadInput: It is no record.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        schema = int(raw.get("schema", 1))
        if schema > SCHEMA:
            what = f"was written by a later version of getmore-assets (schema {schema}; this one reads {SCHEMA})"
            raise LaterVersionError(str(path), what, "Upgrade getmore-assets here, or use another lake")
        raw = absolute(raw, lake)
        table = TableRef(**raw.pop("table")) if raw["table"] else raw.pop("table")
        if raw.get("settings"):  # of a task of before 0.2, whose `candidates` had this default
            raw["settings"].setdefault("candidates", [{"path": PYTHON_DOCS}])
        known = {_KEYS.get(one.name, one.name): one.name for one in fields(Record)}
        return Record(table=table, **{known[key]: value for key, value in raw.items() if key in known})
    except LaterVersionError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(str(path), f"is damaged: {type(error).__name__}", REPAIR) from None


def _parsed_if_whole(path: Path, lake: Lake) -> Record | None:
    try:
        return parsed(path, lake)
    except BadInput as error:
        log.warning("%s", error)
        return None


def tasks_in(lake: Lake) -> list[str]:
    """The tasks that have records in a lake."""
    lake.refresh()
    return sorted(path.name for path in lake.folder("records").iterdir() if path.is_dir())


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or what was there before."""
    partial = unfinished(path)
    with partial.open("x", encoding="utf-8") as stream:  # in a folder that others may write to, a link may lie there
        stream.write(text)
    partial.replace(path)


def now() -> str:
    """The time, in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
