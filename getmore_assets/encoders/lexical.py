"""The lexical encoder, which needs no model: TF-IDF of hashed tokens and token pairs, projected by a truncated SVD.

Belongs here: fitting the encoder, saving it as safetensors, applying it. Does not: other encoders.
"""

from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse.linalg  # noqa: F401  # sparse.linalg
from safetensors.numpy import load_file
from scipy import sparse

from getmore_assets.corpus.identity import ID_BYTES, content_id
from getmore_assets.corpus.token_hashes import TokenHashes, mixed
from getmore_assets.encoders import unit_length
from getmore_assets.errors import BadInput
from getmore_assets.weights import write_tensors

_BITS = 16  # bits of a hash: 65,536 buckets
BUCKETS = 2**_BITS
_LEAST_REMAINDER = 1e-5  # share of a text's length that must remain after the projection
_COLUMNS = 32  # columns of a dense matrix in one product: with 65,536 rows 8 MiB, which stay in the processor's cache
_EXTRA, _ROUNDS = 10, 4  # extra directions, and rounds of products with the matrix and its transpose


class LexicalEncoder:
    """Vectors from hashed n-grams.

    Args:
        idf: Inverse document frequency of each bucket: `[65536]`.
        components: The projection: `[65536, d]`, float32.
    """

    def __init__(self, idf: np.ndarray, components: np.ndarray) -> None:
        self._idf = idf.astype(np.float32)
        self._components = _blocks(components * self._idf[:, None])

    @classmethod
    def fitted(cls, sample: list[str], dimensions: int) -> "LexicalEncoder":
        """Fit on the sample; the fit is not saved."""
        return cls(*_fit(sample, dimensions))

    @classmethod
    def load_or_fit(cls, path: Path, sample: list[str], dimensions: int) -> "LexicalEncoder":
        """Load the fit from `path`; if there is none, fit on the sample and save the fit.

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
        """Return vectors of unit length: `[len(texts), d]`, float32; zeros for a text without a token of the sample."""
        counts = _counts(texts)
        vectors = _product(counts, self._components)
        squares = sparse.csr_matrix((np.square(counts.data * self._idf[counts.indices]), counts.indices, counts.indptr))
        # A text without any n-gram of the sample projects to a rounding error, whose direction means nothing.
        is_known = np.linalg.norm(vectors, axis=1) > _LEAST_REMAINDER * np.sqrt(squares.sum(axis=1)).A1
        return unit_length(np.where(is_known[:, None], vectors, 0))


def _fit(sample: list[str], dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    if len(sample) <= dimensions:
        what = f"is {dimensions}, where the pool has {len(sample)} usable rows"
        raise BadInput("encoder.dimensions", what, "Lower it below the number of rows")
    counts = _counts(sample)
    texts_with = np.bincount(counts.indices, minlength=BUCKETS)
    idf = (np.log((1 + len(sample)) / (1 + texts_with)) + 1).astype(np.float32)
    counts.data *= idf[counts.indices]
    lengths = sparse.linalg.norm(counts, axis=1)
    counts.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(counts.indptr)).astype(np.float32)
    return idf, _directions(counts, dimensions)


def _directions(matrix: sparse.csr_matrix, count: int) -> np.ndarray:
    """Return the right singular vectors of the largest singular values: `[65536, count]`, float32.

    Subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) in float32, orthonormalized in float64.
    """
    transposed = matrix.T.tocsr()
    width = min(count + _EXTRA, *matrix.shape)
    basis = np.random.default_rng(0).standard_normal((matrix.shape[1], width), np.float32)
    for _ in range(_ROUNDS):
        basis = _product(transposed, _blocks(_orthonormal(_product(matrix, _blocks(basis)))))
    # The basis is now the product of the transposed matrix and the last orthonormal vectors.
    values, mix = np.linalg.eigh(_gram(basis))
    order = np.argsort(-values, kind="stable")[:count]
    directions = basis @ (mix[:, order] / np.sqrt(np.maximum(values[order], 1e-12))).astype(np.float32)
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    return np.ascontiguousarray(directions * np.where(signs == 0, 1, signs), dtype=np.float32)


def _blocks(dense: np.ndarray) -> list[np.ndarray]:
    """Split a matrix into contiguous blocks of columns."""
    return [np.ascontiguousarray(dense[:, at : at + _COLUMNS]) for at in range(0, dense.shape[1], _COLUMNS)]


def _product(matrix: sparse.csr_matrix, blocks: list[np.ndarray]) -> np.ndarray:
    """Return the product with a dense matrix, block by block: the same sums as in one product, in half the time."""
    return np.hstack([matrix @ block for block in blocks])


def _gram(vectors: np.ndarray) -> np.ndarray:
    """Return the Gram matrix: the products of all pairs of columns, in float64."""
    wide = vectors.astype(np.float64)
    gram: np.ndarray = wide.T @ wide
    return gram


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Return orthonormal vectors, float32, that span the columns; dependent columns become zero."""
    values, mix = np.linalg.eigh(_gram(vectors))
    scale = np.where(values > 1e-10 * values.max(), 1 / np.sqrt(np.maximum(values, 1e-300)), 0)
    return np.asarray(vectors @ (mix * scale).astype(np.float32))


def _counts(texts: list[str]) -> sparse.csr_matrix:
    """Return one plus the logarithm of the count of each bucket: `[len(texts), 65536]`, float32.

    The buckets count the content tokens of a text (`tokens.content_words`) and pairs of these tokens.
    """
    tokens = TokenHashes.of(pl.Series(texts, dtype=pl.String))
    rows = np.repeat(np.arange(len(texts)), tokens.counts)
    is_content = tokens.long | tokens.alone
    has_few = 2 * np.bincount(rows[is_content], minlength=len(texts)) < tokens.counts
    is_content |= has_few[rows]
    hashes, rows = tokens.hashes[is_content], rows[is_content].astype(np.uint64)
    pairs = rows[:-1] == rows[1:]
    grams = np.concatenate([hashes, mixed(hashes, 2)[pairs]]) >> np.uint64(64 - _BITS)
    keys = np.concatenate([rows, rows[:-1][pairs]]) << np.uint64(_BITS) | grams
    keys.sort()
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    repeats = np.diff(first, append=len(keys))
    ends = np.searchsorted(keys[first] >> np.uint64(_BITS), np.arange(len(texts) + 1))
    buckets = (keys[first] & np.uint64(BUCKETS - 1)).astype(np.int32)
    data = (1 + np.log(repeats)).astype(np.float32)
    return sparse.csr_matrix((data, buckets, ends), shape=(len(texts), BUCKETS))
