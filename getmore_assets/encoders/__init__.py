"""From a text to a vector of unit length.

Belongs here: encoders with one interface, `encode(texts) -> [n, d] float32`. Does not: which texts lack a vector
(`workers/embed.py`), or where vectors are kept. To add one: a module beside these, and a line in `make_encoder` and in
`encoder_fingerprint`.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from getmore_assets.config import BROUGHT, LEXICAL, Task
from getmore_assets.corpus import pool, readers, target, tokens
from getmore_assets.corpus.identity import fingerprint
from getmore_assets.models import find_model, model_fingerprint

_CODE_VERSION = "2"
_LEXICAL_VERSION = "3"  # of n-grams and the fit; 2 hashed strings by MurmurHash


class Encoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors of unit length: `[len(texts), d]`, float32; a row of zeros for a text that says nothing to it."""
        ...


def encoder_fingerprint(task: Task) -> str:
    """Return the recipe of an encoder; vectors of one that is made here are named by its fit, too (`fits.py`)."""
    chosen = task.encoder
    if chosen.model == LEXICAL:  # fitted on the pool, so its vectors belong to that pool
        return fingerprint(_LEXICAL_VERSION, tokens.VERSION, LEXICAL, chosen.dimensions, pool.pool_key(task))[:16]
    if chosen.model == BROUGHT:
        of_target = (task.target.source("train"), task.target.source("negative"))
        brought = [*task.candidates, *(source for source in of_target if source)]
        held = [[readers.same_but_version(source), readers.data_version(source)] for source in brought]
        return fingerprint(_CODE_VERSION, BROUGHT, held)[:16]
    weights = model_fingerprint(find_model(chosen.model, "encoder.model"))
    parts = [_CODE_VERSION, weights, chosen.max_length, chosen.dtype]
    if chosen.static:
        parts += ["static", chosen.dimensions]
    if chosen.pooling != "mean":
        parts.append(chosen.pooling)
    if chosen.adapt:  # on the rows of train that are left: which those are also hangs on what is evaluated on
        parts.append(fingerprint(chosen.adapt, target.recipe(task)))
    return fingerprint(*parts)[:16]


def is_fitted(task: Task) -> bool:
    """Whether the encoder is made from texts: of the pool, or of target train."""
    return task.encoder.model == LEXICAL or task.encoder.adapt is not None


def is_made_here(task: Task) -> bool:
    """Whether the encoder is kept in the lake: fitted, tuned or distilled."""
    return is_fitted(task) or task.encoder.static


def make_encoder(task: Task, fitted: Path, sample: list[str]) -> Encoder:
    """The encoder of a task.

    Args:
        task: Its `encoder` section says which.
        fitted: Where a fitted encoder is kept; one that is there is loaded, not fitted again.
        sample: Texts that it is fitted on, where it is: of the pool (lexical), or of target train (adapted).
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
    """Rows scaled to length 1: `[n, d]`, float32. A zero row stays one: it has no direction, so its text no vector."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    return scaled
