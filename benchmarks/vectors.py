"""Real embeddings for benchmarks: the whole pool and ChemProt's train split, with the lexical encoder.

Belongs here: encoding once, in random order. Does not: measuring.
"""

from pathlib import Path

import numpy as np
import polars as pl

from getmore_assets.encoders.lexical import LexicalEncoder

_FITTED_ON = 20_000
_BATCH = 4096


def vectors(shared: Path, cache: Path, dimensions: int = 256) -> tuple[Path, Path]:
    """Return the files of the candidates (`[134123, d]`) and the targets (`[4169, d]`), float32, of unit length."""
    folder = cache / f"lexical-{dimensions}"
    x, y = folder / "candidates.npy", folder / "targets.npy"
    if y.is_file():
        return x, y
    folder.mkdir(parents=True, exist_ok=True)
    texts = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"])["text"]
    texts = texts.sample(fraction=1, shuffle=True, seed=0)
    encoder = LexicalEncoder.load_or_fit(folder / "encoder.safetensors", texts.head(_FITTED_ON).to_list(), dimensions)
    out = np.lib.format.open_memmap(x, "w+", np.float32, (len(texts), dimensions))
    for start in range(0, len(texts), _BATCH):
        out[start : start + _BATCH] = encoder.encode(texts[start : start + _BATCH].to_list())
    out.flush()
    np.save(y, encoder.encode(pl.read_ndjson(shared / "data/chemprot.train.jsonl")["text"].to_list()))
    return x, y


def more(x: Path, path: Path, count: int) -> Path:
    """Return a file of `count` candidates, each a mixture of two real candidates, scaled to unit length."""
    real, rng = np.load(x, mmap_mode="r"), np.random.default_rng(0)
    if path.is_file() and np.load(path, mmap_mode="r").shape == (count, real.shape[1]):
        return path
    out = np.lib.format.open_memmap(path, "w+", np.float32, (count, real.shape[1]))
    for start in range(0, count, 2**16):
        rows = min(2**16, count - start)
        first, second = (real[np.sort(rng.integers(0, len(real), rows))] for _ in range(2))
        mixed = first + rng.uniform(0, 0.7, (rows, 1)).astype(np.float32) * rng.permutation(second)
        out[start : start + rows] = rng.permutation(mixed / np.linalg.norm(mixed, axis=1, keepdims=True))
    out.flush()
    return path
