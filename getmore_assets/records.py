"""Materialization records: what each stage wrote, from which inputs, so that the next run knows what is still valid.

Belongs here: the record, and writing it atomically. Does not: what a stage computes.
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

#: Prefix of the run id of a call from Python, which is no run of Dagster.
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

#: Version of a record's file. Raise it if today's reader would misread the new file.
#: Version 2: paths are relative to the lake's root.
SCHEMA = 2
#: The key in a record's file, by field, where the two names differ; files of every version have this key.
_KEYS = {"stage": "station"}


def cache_key(stage: str, code_version: str, settings: Any, inputs: dict[str, str]) -> str:
    """Return the cache key of a materialization; with an equal key, the stage would compute the same result."""
    return fingerprint(stage, code_version, settings, inputs)


@dataclass(frozen=True)
class Record:
    """The results and inputs of one materialization of a stage.

    Attributes:
        inputs: The data version of each stage that was read.
        lineage: Tags of all stages upstream: `table.<stage>` (path@version), `run.<stage>` (MLflow run) and
            `selection_hash`.
        settings: The task at that time.
        kept: Why the record is kept although the inputs have changed since; None if they have not.
        contents: The hashes of `folders`.
        tracked_at: The server or store of the MLflow run, without credentials; empty for the lake's own store.
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
        """Return the tags that this record adds to the lineage of later stages."""
        own = {"table": f"{self.table.path}@v{self.table.version}" if self.table else None, "run": self.mlflow_run_id}
        tags = {f"{kind}.{self.stage}": value for kind, value in own.items() if value}
        if "selection_hash" in self.facts:
            tags["selection_hash"] = str(self.facts["selection_hash"])
        return tags

    def input_table(self, stage: str) -> TableRef:
        """Return the table of a stage upstream, at the version that this materialization read."""
        return tables_of(self.lineage)[stage]

    def table_ref(self) -> TableRef:
        """Return the table of a stage that writes one."""
        assert self.table is not None, f"{self.stage} writes no table"
        return self.table


def tables_of(tags: Mapping[str, str]) -> dict[str, TableRef]:
    """Return the tables that tags of a lineage name, by stage, each at its version."""
    named = {
        name.removeprefix("table."): tag.rpartition("@v") for name, tag in tags.items() if name.startswith("table.")
    }
    return {stage: TableRef(path, int(version)) for stage, (path, _, version) in named.items()}


def other_rows(record: Record, exported: Path) -> str | None:
    """Return what is wrong with exported rows, compared with the table, or None.

    Records of earlier versions need this, because they have no hash of exported rows.
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
    """The last record and the earlier records of each stage of a task.

    A record is written after everything that it names, by one rename: a process killed at any moment leaves either the
    old record or the new one. On a store it is uploaded after everything that it names, and replaces only the record
    that was read.
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
        """Return the last record of a stage, or None; its table and files may be gone."""
        path = self._path(stage)
        return parsed(path, self.lake) if path.is_file() else None

    def require(self, stage: str, fix: str) -> Record:
        """Return the record of a stage.

        Args:
            stage: The stage.
            fix: What to do if there is no record.

        Raises:
            BadInput: The stage was not materialized, or its table or files are gone.
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
        """Return every remembered record of a stage, the oldest first; their tables and files may be gone."""
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
        """Return an earlier record with this cache key whose table and files are unchanged, or None.

        Files in `exports/` are those of the latest materialization, so a stage that exports is computed again.
        """
        for path in self._earlier(stage).glob(f"{fingerprint}-*.json"):
            try:
                found = self._read(path)
            except BadInput as error:  # the stage is computed again
                log.warning("%s", error)
                continue
            lasting = found and not any(self._is_exported(place) for place in found.folders.values())
            if found and lasting and not found.kept:
                return found
        return None

    def put(self, record: Record) -> None:
        """Write a record as the last one of its stage, and add it to the earlier ones."""
        raw = {_KEYS.get(name, name): value for name, value in record.__dict__.items()}
        raw = {**raw, "table": record.table.__dict__ if record.table else None, "schema": SCHEMA}
        raw = relative(raw, self.lake)
        self.lake.push(*self.lake.named(*record.folders.values(), *record.figures.values()))
        remembered = self._earlier(record.stage) / f"{record.fingerprint}-{record.dagster_run_id}.json"
        text, files = json.dumps(raw, indent=1), (remembered, self._path(record.stage))
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_text("utf-8") != text:  # else it would be uploaded again
                write_atomically(path, text)
        self.lake.push(*self.lake.named(*files))


class LaterVersionError(BadInput):
    """Raised for an undamaged record with a schema that this version of the package does not know."""


def parsed(path: Path, lake: Lake) -> Record:
    """Return the record in a file, with paths made absolute, in its lake.

    Fields that a later version added without a new schema are left out.

    Raises:
        LaterVersionError: Only a later version reads the schema of the file.
        BadInput: The file is not a record.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        schema = int(raw.get("schema", 1))
        if schema > SCHEMA:
            what = f"was written by a later version of getmore-assets (schema {schema}; this one reads {SCHEMA})"
            raise LaterVersionError(str(path), what, "Upgrade getmore-assets here, or use another lake")
        raw = absolute(raw, lake)
        table = TableRef(**raw.pop("table")) if raw["table"] else raw.pop("table")
        if raw.get("settings"):  # before version 0.2, `candidates` had this default
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
    """Return the tasks that have records in a lake."""
    lake.refresh()
    return sorted(path.name for path in lake.folder("records").iterdir() if path.is_dir())


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the whole new file or the old one."""
    partial = unfinished(path)
    with partial.open("x", encoding="utf-8") as stream:  # x: never through a link that another user made
        stream.write(text)
    partial.replace(path)


def now() -> str:
    """Return the time in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
