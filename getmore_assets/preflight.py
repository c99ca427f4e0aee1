"""Everything that can be refused before work starts, refused before work starts.

Belongs here: opening what a task names and checking it against the rest. Does not: checks on things already made (asset
checks, in `defs/`).
"""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import BROUGHT, PYTHON_DOCS, Source, Task
from getmore_assets.corpus import pool, python_docs, readers, target
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, vectors_of
from getmore_assets.models import find_model
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)
_CODE_VERSION = "1"


def check(task: Task) -> None:
    """Read every input once, and refuse what the line would trip over later.

    What passed is remembered in the lake by the content of the inputs, so the next call costs a hash of the files.

    Raises:
        BadInput: With the file, row or field, and what to do.
    """
    _writable(Path(task.lake))
    if task.encoder.model not in ("lexical", BROUGHT):
        find_model(task.encoder.model, "encoder.model")
    if task.base_model.model != "small":
        find_model(task.base_model.model, "base_model.model")
    passed = Lake(task.lake).folder("records", task.name) / "preflight"
    content = task.model_dump(exclude={"warmup", "finetune", "transport", "compare", "seeds"})
    seen = fingerprint(_CODE_VERSION, content, pool.source_version(task), target.source_version(task))
    if passed.is_file() and passed.read_text("utf-8") == seen:
        return
    log.info("checking the inputs of %s", task.name)
    rows, _ = target.read_target(task)
    width = _check_vectors(rows, "target", None) if task.encoder.model == BROUGHT else None
    found = [_check_pool_source(source, width) for source in task.candidates]
    count, longest = sum(f.rows for f in found), max(f.longest for f in found)
    if not count:
        where = ", ".join(source.path for source in task.candidates)
        raise BadInput(where, "the candidate pool is empty", "Give sources that have rows")
    wanted = task.selection.budget.rows
    if wanted and wanted > count and longest <= task.corpus.passage_chars:
        what = f"asks for {wanted} rows, but the pool has {count}"
        raise BadInput("selection.budget.rows", what, "Lower the budget or add candidates")
    write_atomically(passed, seen)


@dataclass(frozen=True)
class _Found:
    """Rows of a source, and the characters of its longest: longer rows are cut into several."""

    rows: int
    longest: float


def _check_pool_source(source: Source, width: int | None) -> _Found:
    if source.path == PYTHON_DOCS:  # nobody's file: nothing in it can be refused but a name
        return _Found(len(python_docs.distributions(source.include, source.exclude)), math.inf)
    rows, longest = 0, 0
    for batch in readers.read(source):
        rows += batch.height
        if batch.height:
            longest = max(longest, int(batch["text"].str.len_chars().max() or 0))  # type: ignore[arg-type]
            if width is not None:
                _check_vectors(batch, source.path, width)
    return _Found(rows, 0 if source.vector else longest)


def _check_vectors(rows: pl.DataFrame, where: str, width: int | None) -> int:
    """The width of brought vectors, all equal, finite and not zero."""
    if "vector" not in rows.columns or not isinstance(rows["vector"].dtype, pl.List | pl.Array):
        raise BadInput(where, "the `vector` column holds no lists of numbers", "Write one list of floats a row")
    as_lists = rows.with_columns(pl.col("vector").cast(pl.List(pl.Float32)))
    widths = as_lists["vector"].list.len()
    expected = width or int(widths[0] or 0)
    wrong = widths.is_null() | (widths != expected)
    if wrong.any() or not expected:
        row = rows.filter(wrong)["origin"][0] if wrong.any() else where
        found = widths.filter(wrong)[0] if wrong.any() else 0
        raise BadInput(
            row, f"vector of width {found}, where the others have {expected}", "Encode all rows with one model"
        )
    matrix = vectors_of(as_lists)
    bad = ~np.isfinite(matrix).all(axis=1) | (np.abs(matrix).max(axis=1) == 0)
    if bad.any():
        row = rows["origin"][int(np.argmax(bad))]
        raise BadInput(row, "vector with NaN or infinity, or all zero", "Encode the row again, or leave it out")
    return expected


def _writable(lake: Path) -> None:
    try:
        lake.mkdir(parents=True, exist_ok=True)
        probe = lake / f".writable-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        why = error.strerror or error
        raise BadInput(
            f"lake {lake}", f"cannot be written to ({why})", "Set `lake` to a folder you may write"
        ) from None
