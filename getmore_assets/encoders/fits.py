"""Encoders that are made here (fitted to the pool, distilled, or tuned on the target): which fit vectors are of.

Belongs here: keeping a fit, and the name that its vectors have in the table. Does not: fitting (the encoders), or which
texts lack a vector (`workers/embed.py`).

Vectors of two fits do not compare, though both are of one recipe. So the key of vectors is a hash of the recipe and of
what the fit holds. Fits of earlier versions have no note beside them; their vectors are named by the recipe alone,
which goes on where the fit gives the vectors that are there.

A lexical encoder is fitted again when too many of the pool's rows came since its fit (`refit.py`).
"""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.config import Task
from getmore_assets.contents import Contents, contents_of, wrong_with
from getmore_assets.corpus import pool, target
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.encoders import Encoder, encoder_fingerprint, is_made_here, make_encoder, refit, store
from getmore_assets.errors import REPAIR, BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)

_COMPARED = 512  # vectors that a fit without a note is held against
_SAME = 0.999  # cosine above which two vectors of a text are of one fit


def key_of(task: Task, lake: Lake) -> str:
    """Return the key of the vectors that a task has by now; its recipe where its encoder is still to be fitted."""
    recipe = encoder_fingerprint(task)
    note = _note(store.fitted_file(lake, recipe))
    return str(json.loads(note.read_text("utf-8"))["key"]) if note.is_file() else recipe


def ready(
    task: Task, lake: Lake, sample: Callable[[], list[str]], texts: pl.LazyFrame, rows: pl.LazyFrame | None = None
) -> tuple[str, Path, Encoder | None]:
    """Fit the encoder of a task where it is not fitted yet, or where too many rows came since.

    Args:
        task: Its `encoder`.
        lake: Where fits are kept.
        sample: Returns the texts that it is fitted on.
        texts: id and text: of the pool and the target, to hold a fit of an earlier version against its vectors.
        rows: id: the rows of the pool that a lexical encoder can be fitted on; None keeps every fit.

    Returns:
        The key of its vectors, where the fit lies, and the encoder, None where it is not made here.

    Raises:
        BadInput: The fit is damaged.
    """
    recipe = encoder_fingerprint(task)
    path = store.fitted_file(lake, recipe)
    if not is_made_here(task):
        return recipe, path, None
    with lake.lock("fit", recipe):
        kept, note = _kept(path), _note(path)
        noted = json.loads(note.read_text("utf-8")) if note.is_file() and kept.exists() else None
        if noted and (wrong := wrong_with(kept, noted["contents"], deep=True)):
            raise BadInput(str(kept), f"the fitted encoder {wrong}", REPAIR)
        if kept.exists() and not noted and not _goes_on(task, lake, path, recipe, texts):
            log.info("encoder: the fit in %s is not the one its vectors are of: fitting anew", kept)
            _remove(kept)
        why = ""
        if kept.exists() and rows is not None:
            named = noted["key"] if noted else recipe
            share = refit.share_new(kept, rows)
            share = _share_without_vector(lake, named, rows, texts) if share is None else share
            if share > (bound := refit.limit(kept)):
                why = refit.reason(share, bound)
                log.info("encoder: fitting it again, and encoding every row: %s", why)
                with lake.lock("encode", named):  # encoders on other machines read the fit until they end
                    _remove(kept)
        if noted and kept.exists():
            return noted["key"], path, make_encoder(task, path, [])
        earlier = kept.exists()
        if not earlier:
            note.unlink(missing_ok=True)  # else a kill would leave it beside a fit that it is not of
            make_encoder(task, path, sample())
        held = contents_of(_kept(path))
        encoder = make_encoder(task, path, [])
        while (now := contents_of(_kept(path))) != held:  # another machine's fit came: no lock reaches there
            held, encoder = now, make_encoder(task, path, [])
        key = recipe if earlier and _has_vectors(lake, recipe) else _key(recipe, held)
        write_atomically(note, json.dumps({"key": key, "contents": held, "refitted": why}))
        return key, path, encoder


def refitted(task: Task, lake: Lake) -> str:
    """Return why the encoder of a task was fitted again when its present fit was made; empty for a first fit."""
    note = _note(store.fitted_file(lake, encoder_fingerprint(task)))
    return str(json.loads(note.read_text("utf-8")).get("refitted", "")) if note.is_file() else ""


def version_of(task: Task, key: str, made: str) -> str:
    """Return the data version of what is made of vectors: of another fit it is another, made by the same recipe."""
    return made if key == encoder_fingerprint(task) else fingerprint(made, key)


def mismatch(task: Task, lake: Lake) -> str | None:
    """Return what is wrong between the fit of a task and the vectors named by it, or None.

    Looks at 512 vectors, from the first to the last that came; texts are read from the tables of pool and target.
    """
    path = store.fitted_file(lake, encoder_fingerprint(task))
    tables = [lake.latest(name) for name in (pool.TABLE, target.TABLE)]
    if not is_made_here(task) or not _kept(path).exists() or not all(tables):
        return None
    texts = pl.concat([table.scan().select("id", "text") for table in tables if table])
    if _goes_on(task, lake, path, key_of(task, lake), texts):
        return None
    return "vectors of several fits are named by it, or the fit is not the one they are of"


def _key(recipe: str, held: Contents) -> str:
    return fingerprint(recipe, held["sha256"])[:16]


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _kept(path: Path) -> Path:
    """Where a fit lies: a file, or, of a tuned model, a folder."""
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
    """Return the share of the texts, of those that are rows of the pool, that were not encoded yet."""
    encoded = pl.concat([reader(lake.latest(store.TABLE), key) for reader in (store.encoded_ids, store.without_vector)])
    wanted = texts.select("id").join(rows.select("id"), on="id", how="semi").collect()["id"]
    return int((~wanted.is_in(encoded["id"].implode())).sum()) / len(wanted) if len(wanted) else 0.0


def _goes_on(task: Task, lake: Lake, path: Path, recipe: str, texts: pl.LazyFrame) -> bool:
    """Whether a fit without a note gives the vectors that are there: of rows from the first to the last that came."""
    try:
        encoder = make_encoder(task, path, [])
    except Exception as error:  # a cut-off file fails in many ways
        log.info("encoder: %s cannot be read (%s)", path, type(error).__name__)
        return False
    table = lake.latest(store.TABLE)
    if table is None:
        return True
    held = table.scan().filter(pl.col("encoder") == recipe).select("id").collect()
    if not held.height:
        return True
    ids = held["id"].gather(np.linspace(0, held.height - 1, _COMPARED).astype(int)).unique()
    rows = texts.filter(pl.col("id").is_in(ids.implode())).unique("id").collect()
    if not rows.height:
        return True
    there = (
        table.scan()
        .filter((pl.col("encoder") == recipe) & pl.col("id").is_in(rows["id"].implode()))
        .unique("id", keep="any")
        .join(rows.lazy(), on="id")
        .collect()
    )
    cosines = (encoder.encode(there["text"].to_list()) * there["vector"].list.to_array(_width(there)).to_numpy()).sum(1)
    return bool((cosines > _SAME).all())


def _width(rows: pl.DataFrame) -> int:
    return int(rows["vector"].list.len().max())  # type: ignore[arg-type]
