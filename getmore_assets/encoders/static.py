"""A static encoder: the mean of token vectors, distilled from a pre-trained encoder. Fast, and blind to word order.

Belongs here: distilling the encoder, saving it as safetensors, applying it. Does not: the pre-trained encoder
(`transformer.py`).

As in Model2Vec, the model encodes each token of the vocabulary alone, PCA reduces the dimensions, and frequent tokens
weigh less (smooth inverse frequency; frequencies are not counted but assumed to follow Zipf's law by token id).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from sklearn.decomposition import PCA
from torch.nn.functional import embedding_bag
from transformers import AutoModel, AutoTokenizer

from getmore_assets.config import Encoder
from getmore_assets.device import best_device
from getmore_assets.encoders import unit_length
from getmore_assets.weights import write_tensors

_SMOOTH = 1e-4  # Arora et al., ICLR 2017
_BATCH = 1024


class StaticEncoder:
    """Mean of a text's token vectors, read from a table.

    Args:
        table: A vector for each token of the vocabulary: `[vocabulary, d]`, float32.
        tokenizer: The fast tokenizer of the pre-trained encoder.
        max_length: Number of tokens to which texts are truncated.
    """

    def __init__(self, table: np.ndarray, tokenizer: Any, max_length: int) -> None:
        self._table, self._tokenizer, self._max_length = torch.from_numpy(table), tokenizer, max_length

    @classmethod
    def load_or_distil(cls, path: Path, folder: Path, chosen: Encoder) -> "StaticEncoder":
        """Load the table from `path`; if there is none, distil it from the encoder in `folder` and save it."""
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
        if not path.is_file():
            write_tensors({"table": _distil(folder, tokenizer, chosen.dimensions)}, path)
        return cls(load_file(path)["table"], tokenizer, chosen.max_length)

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """Return vectors of unit length: `[len(texts), d]`, float32; zeros for a text of only unknown tokens."""
        tokens = self._tokenizer(texts, add_special_tokens=False, truncation=True, max_length=self._max_length)
        counts = [len(ids) for ids in tokens["input_ids"]]
        flat = torch.tensor([id_ for ids in tokens["input_ids"] for id_ in ids], dtype=torch.long)
        starts = torch.tensor(np.cumsum([0, *counts[:-1]]), dtype=torch.long)
        vectors = embedding_bag(flat, self._table, starts, mode="mean").numpy()
        special = set(self._tokenizer.all_special_ids)  # includes the unknown token
        vectors[[special.issuperset(ids) for ids in tokens["input_ids"]]] = 0
        return unit_length(vectors)


@torch.inference_mode()
def _distil(folder: Path, tokenizer: Any, dimensions: int) -> np.ndarray:
    device = best_device()
    model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32)
    model.to(device).eval()
    special, rows = tokenizer("")["input_ids"], []
    for start in range(0, len(tokenizer), _BATCH):
        ids = range(start, min(start + _BATCH, len(tokenizer)))
        texts = torch.tensor([[*special[:1], id_, *special[1:]] for id_ in ids], device=device)
        rows.append(model(input_ids=texts).last_hidden_state.mean(1).cpu().numpy())
    vectors = np.concatenate(rows)
    reduced = PCA(min(dimensions, *vectors.shape), random_state=0).fit_transform(vectors)
    frequency = 1 / np.arange(1, len(reduced) + 1)
    weights = _SMOOTH / (_SMOOTH + frequency / frequency.sum())
    return np.ascontiguousarray(reduced * weights[:, None], dtype=np.float32)
