"""Encoders, which turn texts into vectors of unit length.

Belongs here: encoders with the interface `encode(texts) -> [n, d] float32`, their fits, and the table of vectors. Does
not: choosing texts to encode (`workers/embed.py`). To add an encoder, add a module here, and a line in `make_encoder`
and in `encoder_fingerprint`.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from getmore_assets.config import BROUGHT, LEXICAL, Task
from getmore_assets.corpus import pool, readers, target, tokens
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.models import find_model, model_fingerprint

_CODE_VERSION = "2"
_LEXICAL_VERSION = "3"  # version of n-grams and fit; version 2 hashed strings by MurmurHash


class Encoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return vectors of unit length: `[len(texts), d]`, float32; zeros for a text without any known token."""
        ...


def encoder_fingerprint(task: Task) -> str:
    """Return the hash of an encoder's settings, its recipe. Vectors of a fit have a key of their own (`fits.py`)."""
    chosen = task.encoder
    if chosen.model == LEXICAL:  # the encoder is fitted on the pool
        return fingerprint(_LEXICAL_VERSION, tokens.VERSION, LEXICAL, chosen.dimensions, pool.pool_key(task))[:16]
    if chosen.model == BROUGHT:
        of_target = (task.target.source("train"), task.target.source("negative"))
        sources = [*task.candidates, *(source for source in of_target if source)]
        versions = [[readers.same_but_version(source), readers.data_version(source)] for source in sources]
        return fingerprint(_CODE_VERSION, BROUGHT, versions)[:16]
    weights = model_fingerprint(find_model(chosen.model, "encoder.model"))
    parts = [_CODE_VERSION, weights, chosen.max_length, chosen.dtype]
    if chosen.static:
        parts += ["static", chosen.dimensions]
    if chosen.pooling != "mean":
        parts.append(chosen.pooling)
    if chosen.adapt:  # tuned on train without rows that overlap evaluation splits, so it depends on all splits
        parts.append(fingerprint(chosen.adapt, target.recipe(task)))
    return fingerprint(*parts)[:16]


def is_fitted(task: Task) -> bool:
    """Return whether the encoder is fitted on texts of the pool or of target train."""
    return task.encoder.model == LEXICAL or task.encoder.adapt is not None


def is_made_here(task: Task) -> bool:
    """Return whether the lake stores the encoder, because it is fitted, tuned or distilled."""
    return is_fitted(task) or task.encoder.static


def make_encoder(task: Task, fitted: Path, sample: list[str]) -> Encoder:
    """Return the encoder of a task.

    Args:
        task: The task; its section `encoder` is used.
        fitted: File of a fitted encoder: loaded if it exists, otherwise written.
        sample: Texts to fit on, from the pool (lexical) or from target train (adapted); other encoders ignore them.
    """
    if task.encoder.model == LEXICAL:
        from getmore_assets.encoders.lexical import LexicalEncoder

        return LexicalEncoder.load_or_fit(fitted, sample, task.encoder.dimensions)
    from getmore_assets.encoders.transformer import TransformerEncoder

    folder = find_model(task.encoder.model, "encoder.model")
    if task.encoder.static:
        from getmore_assets.encoders.static import StaticEncoder

        return StaticEncoder.load_or_distil(fitted, folder, task.encoder)
    if task.encoder.adapt:
        from getmore_assets.encoders.adapted import adapted

        folder = adapted(folder, task.encoder, sample, fitted)
    return TransformerEncoder(folder, task.encoder)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1: `[n, d]`, float32. A zero row stays zero and stands for a text without a vector."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    return scaled
