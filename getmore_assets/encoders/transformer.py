"""A Hugging Face encoder: the mean of the last hidden states, plain or weighted by position, scaled to unit length.

Belongs here: batching by tokens, precision, pooling. Does not: finding the model (`models.py`).
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from getmore_assets.config import Encoder
from getmore_assets.device import best_device, compute_dtype
from getmore_assets.encoders import unit_length

log = logging.getLogger(__name__)


class TransformerEncoder:
    """Vectors from a pre-trained encoder.

    Args:
        folder: A Hugging Face model folder with safetensors.
        chosen: Settings: max_length (tokens to which texts are truncated), batch_tokens (tokens of a batch, padding
            included, which limit memory), dtype (`auto` is bfloat16 where the device has bfloat16 products, else
            float32) and pooling (`weighted` gives the n-th token the weight n, for causal models: Muennighoff, SGPT,
            2022).
    """

    def __init__(self, folder: Path, chosen: Encoder) -> None:
        self.device = best_device()
        self.dtype = compute_dtype(chosen.dtype, self.device)
        self._weighted = chosen.pooling == "weighted"
        self._tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
        self._tokenizer.padding_side = "right"  # a token's position must not depend on the other texts of the batch
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, dtype=self.dtype)
        self._model.to(self.device).eval()
        longest = getattr(self._model.config, "max_position_embeddings", None) or chosen.max_length
        self._max_length, self._batch_tokens = min(chosen.max_length, longest), chosen.batch_tokens
        log.info("encoder on %s in %s, at most %d tokens", self.device, self.dtype, self._max_length)

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """Return vectors of unit length: `[len(texts), d]`, float32; zeros for a text of only unknown tokens.

        Padding tokens do not count in the mean.
        """
        tokens = self._tokenizer(texts, truncation=True, max_length=self._max_length)["input_ids"]
        special = set(self._tokenizer.all_special_ids)  # includes the unknown token
        vectors: np.ndarray | None = None
        for rows in _batched([len(t) for t in tokens], self._batch_tokens):
            padded = self._tokenizer.pad({"input_ids": [tokens[r] for r in rows]}, return_tensors="pt").to(self.device)
            states = self._model(**padded).last_hidden_state.float()
            mask = padded["attention_mask"].unsqueeze(-1).float()
            if self._weighted:
                mask = mask * torch.arange(1, mask.shape[1] + 1, device=self.device)[:, None]
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            if vectors is None:
                vectors = np.empty((len(texts), mean.shape[1]), np.float32)
            vectors[rows] = mean.cpu().numpy()
        assert vectors is not None, "encode needs at least one text"
        vectors[[special.issuperset(ids) for ids in tokens]] = 0
        return unit_length(vectors)


def _batched(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield the row numbers of each batch, longest texts first: little padding, and the first batch is largest.

    Args:
        lengths: Number of tokens of each text.
        batch_tokens: Largest number of tokens of a batch, padding included.
    """
    batch: list[int] = []
    width = 0
    for row in sorted(range(len(lengths)), key=lambda r: (-lengths[r], r)):
        width = width or max(lengths[row], 1)
        if batch and (len(batch) + 1) * width > batch_tokens:
            yield batch
            batch, width = [], max(lengths[row], 1)
        batch.append(row)
    if batch:
        yield batch
