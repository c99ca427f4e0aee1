"""The loss of a language model on each text, evaluated alone.

Belongs here: loss, tokens and characters of each of many texts. Does not: the perplexity of a split (`evaluation.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from getmore_assets.device import best_device, compute_dtype
from getmore_assets.training import language_models

_BATCH_TOKENS = 4096
_EVERY = 7  # one token in so many is masked: about the 15 % of training


@dataclass(frozen=True)
class Losses:
    """The loss of each text.

    Attributes:
        nats: Summed negative log-likelihood: `[n]`, float64.
        tokens: Number of tokens that `nats` is summed over: `[n]`, float64. For a masked model, one token in seven.
        characters: Number of characters of all tokens that the model read, whether masked or not: `[n]`.
    """

    nats: np.ndarray
    tokens: np.ndarray
    characters: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Return nats per token: `[n]`, float64; 0 for a text without a token."""
        return np.asarray(self.nats / np.maximum(self.tokens, 1))


def mean_losses(model: Any, tokenizer: Any, objective: str, texts: list[str], length: int) -> np.ndarray:
    """Return the mean loss per token of each text, in nats, in the fastest precision: `[n]`, float64; see `losses`."""
    return losses(model, tokenizer, objective, texts, length, compute_dtype("auto", best_device())).means


@torch.inference_mode()
def losses(
    model: Any,
    tokenizer: Any,
    objective: str,
    texts: list[str],
    length: int,
    dtype: torch.dtype = torch.float32,
    *,
    whole: bool = False,
) -> Losses:
    """Return the loss of each text, evaluated alone from its first token on.

    Args:
        model: A model with a language-modelling head.
        tokenizer: The model's fast tokenizer.
        objective: causal or masked. For masked, every seventh token is masked, starting with the first, so a text's
            loss depends only on the text and the model.
        texts: Texts of any length; the loss of a text without a token is 0.
        length: Tokens that the model sees at once, including the start token.
        dtype: Precision of the matrix products.
        whole: Whether a longer text is evaluated in several windows; otherwise it is truncated.
    """
    device, n = best_device(), len(texts)
    nats, count, characters = np.zeros(n), np.zeros(n), np.zeros(n)
    mask = None if objective == "causal" else tokenizer.mask_token_id
    start = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.eos_token_id
    limits = {} if whole else {"truncation": True, "max_length": length - 1}
    read = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False, **limits)
    windows: list[tuple[int, list[int]]] = []
    for row, (ids, spans) in enumerate(zip(read["input_ids"], read["offset_mapping"], strict=True)):
        characters[row] = spans[-1][1] if spans else 0
        windows += [(row, ids[at : at + length - 1]) for at in range(0, len(ids), length - 1)]
    windows.sort(key=lambda window: (-len(window[1]), window[0]))
    model.to(device).eval()
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        while windows:
            some = windows[: max(1, _BATCH_TOKENS // (len(windows[0][1]) + 1))]
            windows = windows[len(some) :]
            width = len(some[0][1]) + 1
            padded = torch.full((len(some), width), tokenizer.pad_token_id)
            real = torch.zeros(len(some), width)
            for at, (_, ids) in enumerate(some):
                padded[at, : len(ids) + 1] = torch.tensor([start, *ids])
                real[at, 1 : len(ids) + 1] = 1
            total, counted = _losses(model, mask, padded, real, device)
            rows = [row for row, _ in some]
            np.add.at(nats, rows, total.numpy())
            np.add.at(count, rows, counted.numpy())
    return Losses(nats, count, characters)


def _losses(
    model: Any, mask: int | None, ids: torch.Tensor, real: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed loss and the number of tokens of each row: `[rows]` each, float64."""
    if mask is None:
        logits = model(input_ids=ids.to(device)).logits[:, :-1]
        labels = torch.where(real[:, 1:] > 0, ids[:, 1:], -100).to(device)
        each = cross_entropy(logits.transpose(1, 2).float(), labels, reduction="none", ignore_index=-100)
        return each.sum(1).double().cpu(), real[:, 1:].sum(1).double()
    chosen = torch.arange(ids.shape[1]) % _EVERY == 1
    counted = (real * chosen).bool()
    seen = torch.cat([torch.ones(len(ids), 1), real[:, 1:]], 1).to(device)
    with language_models.only_at(model, counted.to(device)):
        logits = model(input_ids=ids.masked_fill(chosen, mask).to(device), attention_mask=seen).logits
    at_masks = language_models.told_at(logits, counted.to(device)).float()
    each = cross_entropy(at_masks, ids[counted].to(device), reduction="none").double().cpu()
    return torch.zeros(len(ids)).double().index_add(0, counted.nonzero()[:, 0], each), counted.sum(1).double()
