"""Fits: encoders in the lake (fitted on the pool, distilled, or tuned on the target), and the key of their vectors.

Belongs here: storing a fit, and the key of its vectors in the table. Does not: fitting (the encoders), or which texts
lack a vector (`workers/embed.py`).

Vectors of two fits cannot be compared, even if both fits have the same recipe (settings). So the key of vectors is a
hash of the recipe and of the fit's files. A note beside the fit holds the key. Fits of earlier versions have no note:
their vectors have the recipe as key, and keep it if the fit reproduces the vectors in the table.

A lexical encoder is fitted again when too many rows were added to the pool since its fit (`refit.py`).
"""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.contents import contents_of, wrong_with
from getmore_assets.corpus import pool, target
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.encoders import Encoder, encoder_fingerprint, is_made_here, make_encoder, refit, store
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)

_COMPARED = 512  # vectors in the table with which a fit without a note is compared
_SAME = 0.999  # cosine above which two vectors of a text count as vectors of the same fit


def key_of(task: Task, lake: Lake) -> str:
    """Return the key of a task's vectors; the recipe if the encoder is not fitted yet."""
    recipe = encoder_fingerprint(task)
    note = _note(store.fitted_file(lake, recipe))
    return str(json.loads(note.read_text("utf-8"))["key"]) if note.is_file() else recipe


def ready(
    task: Task, lake: Lake, sample: Callable[[], list[str]], texts: pl.LazyFrame, rows: pl.LazyFrame | None = None
) -> tuple[str, Path, Encoder | None]:
    """Fit the encoder of a task if it is not fitted yet, or if too many rows were added since.

    Args:
        task: The task; its section `encoder` is used.
        lake: The lake that stores the fits.
        sample: Returns the texts to fit on.
        texts: id and text of pool and target, to compare a fit of an earlier version with its vectors.
        rows: id of the pool's rows that a lexical encoder can be fitted on; None keeps every fit.

    Returns:
        The key of the vectors, the file of the fit, and the encoder (None for an encoder that is not fitted).

    Raises:
        BadInput: The fit is damaged.
    """
    recipe = encoder_fingerprint(task)
    path = store.fitted_file(lake, recipe)
    if not is_made_here(task):
        return recipe, path, None
    with lake.lock("fit", recipe):
        fit, note = _file_or_folder(path), _note(path)
        noted = json.loads(note.read_text("utf-8")) if note.is_file() and fit.exists() else None
        if noted and (wrong := wrong_with(fit, noted["contents"], deep=True)):
            raise BadInput(str(fit), f"the fitted encoder {wrong}", REPAIR)
        if fit.exists() and not noted and not _reproduces_vectors(task, lake, path, recipe, texts):
            log.info("encoder: the fit in %s does not reproduce the vectors in the table: fitting again", fit)
            _remove(fit)
        why = ""
        if fit.exists() and rows is not None:
            key = noted["key"] if noted else recipe
            share = refit.share_new(fit, rows)
            share = _share_without_vector(lake, key, rows, texts) if share is None else share
            if share > (limit := refit.limit(fit)):
                why = refit.reason(share, limit)
                log.info("encoder: fitting again, and encoding every row: %s", why)
                with lake.lock("encode", key):  # encoders on other machines read the fit until they end
                    _remove(fit)
        if noted and fit.exists():
            return noted["key"], path, make_encoder(task, path, [])
        is_earlier = fit.exists()
        if not is_earlier:
            note.unlink(missing_ok=True)  # else a killed process could leave the note beside another fit
            make_encoder(task, path, sample())
        contents = contents_of(_file_or_folder(path))
        encoder = make_encoder(task, path, [])
        while (now := contents_of(_file_or_folder(path))) != contents:  # another machine, without the lock, wrote
            contents, encoder = now, make_encoder(task, path, [])
        is_keyed_by_recipe = is_earlier and _has_vectors(lake, recipe)
        key = recipe if is_keyed_by_recipe else fingerprint(recipe, contents["sha256"])[:16]
        write_atomically(note, json.dumps({"key": key, "contents": contents, "refitted": why}))
        return key, path, encoder


def refitted(task: Task, lake: Lake) -> str:
    """Return why the present fit of a task's encoder replaced an earlier fit; empty for a first fit."""
    note = _note(store.fitted_file(lake, encoder_fingerprint(task)))
    return str(json.loads(note.read_text("utf-8")).get("refitted", "")) if note.is_file() else ""


def version_of(task: Task, key: str, version: str) -> str:
    """Return a data version that also depends on the fit: vectors of another fit have another version."""
    return version if key == encoder_fingerprint(task) else fingerprint(version, key)


def mismatch(task: Task, lake: Lake) -> str | None:
    """Return how the fit of a task does not match the vectors with the fit's key, or None.

    Compares 512 vectors, spread evenly over the table; the texts come from the tables of pool and target.
    """
    path = store.fitted_file(lake, encoder_fingerprint(task))
    tables = [lake.latest(name) for name in (pool.TABLE, target.TABLE)]
    if not is_made_here(task) or not _file_or_folder(path).exists() or not all(tables):
        return None
    texts = pl.concat([table.scan().select("id", "text") for table in tables if table])
    if _reproduces_vectors(task, lake, path, key_of(task, lake), texts):
        return None
    return "vectors of several fits have its key, or the fit does not reproduce them"


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _file_or_folder(path: Path) -> Path:
    """Return the path of a fit: a file, or the folder of a tuned model."""
    folder = path.with_suffix("")
    return folder if folder.is_dir() else path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _has_vectors(lake: Lake, recipe: str) -> bool:
    table = lake.latest(store.TABLE)
    return table is not None and bool(table.scan().filter(pl.col("encoder") == recipe).head(1).collect().height)


def _share_without_vector(lake: Lake, key: str, rows: pl.LazyFrame, texts: pl.LazyFrame) -> float:
    """Return the share of the pool's rows in `texts` that are not encoded yet."""
    table = lake.latest(store.TABLE)
    encoded = pl.concat([store.encoded_ids(table, key), store.without_vector(table, key)])
    pool_ids = texts.select("id").join(rows.select("id"), on="id", how="semi").collect()["id"]
    return int((~pool_ids.is_in(encoded["id"].implode())).sum()) / len(pool_ids) if len(pool_ids) else 0.0


def _reproduces_vectors(task: Task, lake: Lake, path: Path, recipe: str, texts: pl.LazyFrame) -> bool:
    """Return whether a fit reproduces the vectors in the table, compared on rows spread evenly over the table."""
    try:
        encoder = make_encoder(task, path, [])
    except Exception as error:  # a truncated file can raise any error
        log.info("encoder: %s cannot be read (%s)", path, type(error).__name__)
        return False
    table = lake.latest(store.TABLE)
    if table is None:
        return True
    encoded = store.encoded_ids(table, recipe)["id"]
    if not len(encoded):
        return True
    ids = encoded.gather(np.linspace(0, len(encoded) - 1, _COMPARED).astype(int)).unique()
    rows = texts.filter(pl.col("id").is_in(ids.implode())).unique("id").collect()
    if not rows.height:
        return True
    stored = (
        table.scan()
        .filter((pl.col("encoder") == recipe) & pl.col("id").is_in(rows["id"].implode()))
        .unique("id", keep="any")
        .join(rows.lazy(), on="id")
        .collect()
    )
    vectors = stored["vector"].list.to_array(_width(stored)).to_numpy()
    cosines = (encoder.encode(stored["text"].to_list()) * vectors).sum(1)
    return bool((cosines > _SAME).all())


def _width(rows: pl.DataFrame) -> int:
    return int(rows["vector"].list.len().max())  # type: ignore[arg-type]
