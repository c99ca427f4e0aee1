"""Twenty-seven ways to damage a lake.

Belongs here: the damages. Does not: what must happen after a damage (`damages.py`).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from tests.drives.small import Small


@dataclass(frozen=True)
class Damage:
    """One damage.

    Attributes:
        spoil: Damages a lake, and returns the damaged path.
        verb: The command that must notice the damage.
        grown: Whether the pool grows afterwards, because only then the damaged file is read.
        told: Whether the doctor must find the damage; it need not if the file may be deleted (docs/operating.md).
        changes: Overrides of the command, needed for it to read the damaged file.
    """

    spoil: Callable[[Small], Path]
    verb: str = "select"
    grown: bool = False
    told: bool = True
    changes: tuple[str, ...] = ()


def _commits(place: Small, table: str) -> list[Path]:
    return sorted(place.lake.root.glob(f"tables/{table}/_delta_log/*.json"))


def _rows_of(place: Small, table: str) -> Path:
    """Return the largest Parquet file of a table."""
    files = place.lake.root.glob(f"tables/{table}/**/*.parquet")
    return max((one for one in files if "_delta_log" not in one.parts), key=lambda one: one.stat().st_size)


def _record(place: Small, stage: str) -> Path:
    return place.lake.root / "records" / place.task / f"{stage}.json"


def _export(place: Small, name: str) -> Path:
    return place.lake.root / "exports" / place.task / name


def _fit(place: Small) -> Path:
    (file,) = place.lake.root.glob("encoders/*.safetensors")
    return file


def _weights(place: Small, stage: str) -> Path:
    (file,) = place.lake.root.glob(f"models/{stage}/*/model.safetensors")
    return file


def _cut(path: Path) -> Path:
    """Keep only the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _delete(path: Path) -> Path:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return path


def _rot(path: Path) -> Path:
    """Change 64 bytes in the middle of a file; its size is unchanged."""
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 64] = bytes(255 - byte for byte in raw[middle : middle + 64])
    path.write_bytes(raw)
    return path


def _double_vectors(place: Small) -> Path:
    """Append vectors that the table has already."""
    table = place.lake.table("embeddings")
    rows = pl.read_delta(table).head(30)
    rows.write_delta(table, mode="append")
    return Path(table)


def _another_shape(place: Small) -> Path:
    path = _record(place, "raw_corpus")
    path.write_text("[]", "utf-8")
    return path


def _another_version(place: Small) -> Path:
    """Let a record name a version of its table that does not exist."""
    path = _record(place, "embeddings")
    raw = json.loads(path.read_text("utf-8"))
    raw["table"]["version"] = 999
    path.write_text(json.dumps(raw), "utf-8")
    return path


def _replace_fit(place: Small) -> Path:
    """Replace the fit by another one of the same shape."""
    path = _fit(place)
    fit, generator = load_file(path), np.random.default_rng(1)
    fit["components"] = generator.permuted(fit["components"], axis=0)
    save_file(fit, path)
    return path


def _replace_export(place: Small) -> Path:
    """Reverse ids and texts of the exported rows."""
    path = _export(place, "selected.parquet")
    rows = pl.read_parquet(path)
    rows.with_columns(id=pl.col("id").reverse(), text=pl.col("text").reverse()).write_parquet(path)
    return path


def _spoil_store(place: Small) -> Path:
    path = place.lake.root / "dagster" / "history" / "runs.db"
    path.write_bytes(b"no database" * 1000)
    return path


DAMAGES: dict[str, Damage] = {
    "log-cut": Damage(lambda place: _cut(_commits(place, "embeddings")[-1])),
    "log-empty": Damage(lambda place: _empty(_commits(place, "raw_corpus")[-1])),
    "log-first-deleted": Damage(lambda place: _delete(_commits(place, "embeddings")[0])),
    "log-folder-deleted": Damage(lambda place: _delete(_commits(place, "ot_potentials")[0].parent)),
    "vectors-cut": Damage(lambda place: _cut(_rows_of(place, "embeddings"))),
    "vectors-empty": Damage(lambda place: _empty(_rows_of(place, "embeddings"))),
    "vectors-deleted": Damage(lambda place: _delete(_rows_of(place, "embeddings"))),
    "vectors-rotten": Damage(lambda place: _rot(_rows_of(place, "embeddings")), changes=("transport.epsilon=0.06",)),
    "vectors-doubled": Damage(_double_vectors),
    "pool-cut": Damage(lambda place: _cut(_rows_of(place, "raw_corpus"))),
    "pool-deleted": Damage(lambda place: _delete(_rows_of(place, "raw_corpus"))),
    "potentials-deleted": Damage(lambda place: _delete(_rows_of(place, "ot_potentials"))),
    "record-cut": Damage(lambda place: _cut(_record(place, "embeddings"))),
    "record-empty": Damage(lambda place: _empty(_record(place, "selected_subset"))),
    "record-of-another-shape": Damage(_another_shape),
    "record-of-another-version": Damage(_another_version),
    "fit-cut": Damage(lambda place: _cut(_fit(place)), grown=True),
    "fit-deleted": Damage(lambda place: _delete(_fit(place).parent), grown=True, told=False),
    "fit-replaced": Damage(_replace_fit, grown=True),
    "export-cut": Damage(lambda place: _cut(_export(place, "selected.parquet"))),
    "export-replaced": Damage(_replace_export),
    "report-cut": Damage(lambda place: _cut(_export(place, "report.html")), "run"),
    "figures-deleted": Damage(lambda place: _delete(place.lake.root / "figures"), "run"),
    "model-cut": Damage(lambda place: _cut(_weights(place, "warmed_model")), "run"),
    "model-deleted": Damage(lambda place: _delete(_weights(place, "finetuned_model").parent), "run"),
    "mlflow-deleted": Damage(lambda place: _delete(place.lake.root / "mlflow.db"), "run"),
    "dagster-rotten": Damage(_spoil_store),
}
