"""An encoder that needs no weights: hashed tokens and pairs of them, tf-idf, projected by a truncated SVD.

Belongs here: fitting it, keeping it as safetensors, applying it. Does not: other encoders.
"""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse.linalg  # noqa: F401  # sparse.linalg
from safetensors.numpy import load_file
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from getmore_assets.corpus.identity import ID_BYTES, content_id
from getmore_assets.corpus.tokens import n_grams, telling
from getmore_assets.encoders import unit_length
from getmore_assets.errors import BadInput
from getmore_assets.weights import write_tensors

BUCKETS = 2**16
_LEAST = 1e-5  # of a text's length before the projection
_WIDEST = 2  # tokens of an n-gram


class LexicalEncoder:
    """Vectors from hashed n-grams.

    Args:
        idf: Inverse document frequency of each bucket: `[65536]`.
        components: The projection: `[65536, d]`, float32.
    """

    def __init__(self, idf: np.ndarray, components: np.ndarray) -> None:
        self._idf = sparse.diags(idf)
        self._components = components

    @classmethod
    def fitted(cls, sample: list[str], dimensions: int) -> "LexicalEncoder":
        """Fit on the sample, and keep nothing."""
        return cls(*_fit(sample, dimensions))

    @classmethod
    def load_or_fit(cls, path: Path, sample: list[str], dimensions: int) -> "LexicalEncoder":
        """Load the fit at `path`, or fit on the sample and keep it there.

        Raises:
            BadInput: The sample has fewer texts than dimensions.
        """
        if not path.is_file():
            idf, components = _fit(sample, dimensions)
            ids = b"".join(bytes.fromhex(content_id(text)) for text in sample)
            fitted_on = np.frombuffer(ids, np.uint8).reshape(len(sample), ID_BYTES)  # read by refit.py
            write_tensors({"idf": idf, "components": components, "fitted_on": fitted_on}, path)
        stored = load_file(path)
        return cls(stored["idf"], stored["components"])

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors of unit length: `[len(texts), d]`, float32; zeros for a text without a token that the sample has."""
        weighted = _counts(texts) @ self._idf
        vectors = np.asarray(weighted @ self._components)
        # A text of n-grams that the sample lacks has what rounding leaves, which points anywhere.
        seen = np.linalg.norm(vectors, axis=1) > _LEAST * sparse.linalg.norm(weighted, axis=1)
        return unit_length(np.where(seen[:, None], vectors, 0))


def _fit(sample: list[str], dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    if len(sample) <= dimensions:
        what = f"asks for {dimensions} dimensions of a pool with {len(sample)} usable rows"
        raise BadInput("encoder.dimensions", what, "Lower it below the number of rows")
    counts = _counts(sample)
    weights = TfidfTransformer(sublinear_tf=False).fit(counts)
    svd = TruncatedSVD(dimensions, algorithm="randomized", n_iter=3, random_state=0).fit(weights.transform(counts))
    return weights.idf_.astype(np.float32), np.ascontiguousarray(svd.components_.T, dtype=np.float32)


def _counts(texts: list[str]) -> sparse.csr_matrix:
    """One plus the logarithm of how often each bucket is met: `[len(texts), 65536]`."""
    hashing = HashingVectorizer(
        n_features=BUCKETS, analyzer=partial(n_grams, widest=_WIDEST), alternate_sign=False, norm=None
    )
    counts = hashing.transform(telling(pl.Series(texts, dtype=pl.String)).to_list())
    counts.data = 1 + np.log(counts.data)
    return counts
