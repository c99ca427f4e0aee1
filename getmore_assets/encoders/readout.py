"""Sketched gradients of a causal language model's loss with respect to the output matrix (the read-out).

Belongs here: the gradient from one forward pass, and its sketch. Does not: batching, or the mean of hidden states
(`transformer.py`).

The loss of a text is the sum of its tokens' losses. Its gradient with respect to the output matrix is
Σ_t (p_t - onehot(x_{t+1})) ⊗ h_t, with p_t the predicted distribution and h_t the last hidden state. Texts whose
gradients point the same way lower the same losses (LESS, Xia et al., ICML 2024). A count sketch of both factors
(Charikar et al., 2002) keeps inner products in expectation, with 1,024 numbers in place of vocabulary times width.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from getmore_assets.config import Encoder
from getmore_assets.device import best_device, compute_dtype
from getmore_assets.encoders import unit_length
from getmore_assets.encoders.transformer import batched

_SIDE = 32  # length of the sketch of each factor
_TOKENS_AT_ONCE = 1024  # predicted distributions in memory at once


class ReadoutEncoder:
    """Vectors from the gradients of a causal language model: `[n, 1024]`.

    Args:
        folder: A Hugging Face folder of a causal language model with its head.
        chosen: max_length, batch_tokens and dtype are used, as in `TransformerEncoder`.
    """

    def __init__(self, folder: Path, chosen: Encoder) -> None:
        self.device = best_device()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        dtype = compute_dtype(chosen.dtype, self.device)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, dtype=dtype)
        model.to(self.device).eval()
        self._body, self._head = model.base_model, model.get_output_embeddings()
        longest = getattr(model.config, "max_position_embeddings", None) or chosen.max_length
        self._max_length, self._batch_tokens = min(chosen.max_length, longest), chosen.batch_tokens
        vocabulary, width = self._head.weight.shape
        self._of_errors = _sketch(vocabulary, 0).to(self.device)
        self._of_states = _sketch(width, 1).to(self.device)

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """Return vectors of unit length: `[len(texts), 1024]`, float32; zeros for a text of fewer than two tokens."""
        tokens = self._tokenizer(texts, truncation=True, max_length=self._max_length)["input_ids"]
        vectors = np.zeros((len(texts), _SIDE * _SIDE), np.float32)
        for rows in batched([len(ids) for ids in tokens], self._batch_tokens):
            padded = self._tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt")
            padded = padded.to(self.device)
            states = self._body(**padded).last_hidden_state
            for row, hidden, ids in zip(rows, states, padded["input_ids"], strict=True):
                length = len(tokens[row])
                if length > 1:
                    vectors[row] = self._gradient(hidden[: length - 1], ids[1:length]).flatten().cpu().numpy()
        return unit_length(vectors)

    def _gradient(self, states: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        """Return the sketched gradient of a text: `[32, 32]`, float32.

        Args:
            states: Last hidden state of each token but the last: `[t, width]`.
            following: Id of the next token of each: `[t]`.
        """
        gradient = torch.zeros(_SIDE, _SIDE, device=self.device)
        for start in range(0, len(states), _TOKENS_AT_ONCE):
            chunk, next_ids = states[start : start + _TOKENS_AT_ONCE], following[start : start + _TOKENS_AT_ONCE]
            errors = self._head(chunk).float().softmax(-1) @ self._of_errors - self._of_errors[next_ids]
            gradient += errors.T @ (chunk.float() @ self._of_states)
        return gradient


def _sketch(size: int, seed: int) -> torch.Tensor:
    """Return the matrix of a count sketch: each row has one entry, 1 or -1: `[size, 32]`, float32."""
    rng = np.random.default_rng(seed)
    matrix = torch.zeros(size, _SIDE)
    columns = torch.from_numpy(rng.integers(_SIDE, size=size))
    matrix[torch.arange(size), columns] = torch.from_numpy(rng.choice([-1.0, 1.0], size=size)).float()
    return matrix
