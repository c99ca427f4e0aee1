"""An encoder that needs no weights: hashed words and word pairs, tf-idf, projected by a truncated SVD.

Belongs here: fitting it, keeping it as safetensors, applying it. Does not: other encoders.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from getmore_assets.encoders import unit_length
from getmore_assets.errors import BadInput
from getmore_assets.lake import unfinished

BUCKETS = 2**16


class LexicalEncoder:
    """Vectors from hashed n-grams.

    Args:
        idf: Inverse document frequency of each bucket: `[65536]`.
        components: The projection: `[65536, d]`, float32.
    """

    def __init__(self, idf: np.ndarray, components: np.ndarray) -> None:
        self._hash = HashingVectorizer(n_features=BUCKETS, ngram_range=(1, 2), alternate_sign=False, norm=None)
        self._idf = sparse.diags(idf)
        self._components = components

    @classmethod
    def load_or_fit(cls, path: Path, sample: list[str], dimensions: int) -> "LexicalEncoder":
        """Load the fit at `path`, or fit on the sample and keep it there.

        Raises:
            BadInput: The sample has fewer texts than dimensions.
        """
        if not path.is_file():
            idf, components = _fit(sample, dimensions)
            partial = unfinished(path)
            save_file({"idf": idf, "components": components}, partial)
            partial.replace(path)
        stored = load_file(path)
        return cls(stored["idf"], stored["components"])

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors of unit length: `[len(texts), d]`, float32."""
        counts = self._hash.transform(texts)
        counts.data = 1 + np.log(counts.data)
        return unit_length(np.asarray((counts @ self._idf) @ self._components))


def _fit(sample: list[str], dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    if len(sample) <= dimensions:
        what = f"asks for {dimensions} dimensions of a pool with {len(sample)} usable rows"
        raise BadInput("encoder.dimensions", what, "Lower it below the number of rows")
    counts = LexicalEncoder(np.ones(BUCKETS), np.empty((BUCKETS, 0)))._hash.transform(sample)
    counts.data = 1 + np.log(counts.data)
    weights = TfidfTransformer(sublinear_tf=False).fit(counts)
    svd = TruncatedSVD(dimensions, algorithm="randomized", n_iter=3, random_state=0).fit(weights.transform(counts))
    return weights.idf_.astype(np.float32), np.ascontiguousarray(svd.components_.T, dtype=np.float32)
