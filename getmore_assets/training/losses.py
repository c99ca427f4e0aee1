"""What a language model thinks of each text.

Belongs here: the mean loss of a token in each of many texts. Does not: perplexity of a split (`evaluation.py`).
"""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from getmore_assets.device import best_device, compute_dtype
from getmore_assets.training import language_models

_BATCH_TOKENS = 4096
_EVERY = 7  # tokens of which one is masked: about the 15 % of training


@torch.inference_mode()
def mean_losses(model: Any, tokenizer: Any, objective: str, texts: list[str], length: int) -> np.ndarray:
    """Mean negative log-likelihood of a token (of a masked token, for a masked model) of each text, in nats.

    Args:
        model: With a language-modelling head.
        tokenizer: Its fast tokenizer.
        objective: causal or masked. Every seventh token is masked, from the first on, so a text's loss depends on
            nothing but the text and the model.
        texts: Of any length; one without a token has loss 0.
        length: Tokens beyond this are cut off.

    Returns:
        `[len(texts)]`, float64.
    """
    device, out = best_device(), np.zeros(len(texts))
    dtype, mask = compute_dtype("auto", device), None if objective == "causal" else tokenizer.mask_token_id
    start = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.eos_token_id
    tokens = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=length - 1)["input_ids"]
    order = sorted(range(len(texts)), key=lambda row: (-len(tokens[row]), row))
    model.to(device).eval()
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        while order:
            rows = order[: max(1, _BATCH_TOKENS // (len(tokens[order[0]]) + 1))]
            order = order[len(rows) :]
            width = len(tokens[rows[0]]) + 1
            padded = torch.full((len(rows), width), tokenizer.pad_token_id)
            real = torch.zeros(len(rows), width)
            for at, row in enumerate(rows):
                padded[at, : len(tokens[row]) + 1] = torch.tensor([start, *tokens[row]])
                real[at, 1 : len(tokens[row]) + 1] = 1
            total, count = _losses(model, mask, padded, real, device)
            out[rows] = (total / count.clamp(min=1)).numpy()
    return out


def _losses(
    model: Any, mask: int | None, ids: torch.Tensor, real: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the losses of each row's tokens, and how many they are: `[rows]` each, float64."""
    if mask is None:
        logits = model(input_ids=ids.to(device)).logits[:, :-1]
        wanted = torch.where(real[:, 1:] > 0, ids[:, 1:], -100).to(device)
        each = cross_entropy(logits.transpose(1, 2).float(), wanted, reduction="none", ignore_index=-100)
        return each.sum(1).double().cpu(), real[:, 1:].sum(1).double()
    chosen = torch.arange(ids.shape[1]) % _EVERY == 1
    counted = (real * chosen).bool()
    seen = torch.cat([torch.ones(len(ids), 1), real[:, 1:]], 1).to(device)
    with language_models.only_at(model, counted.to(device)):
        logits = model(input_ids=ids.masked_fill(chosen, mask).to(device), attention_mask=seen).logits
    told = language_models.told_at(logits, counted.to(device)).float()
    each = cross_entropy(told, ids[counted].to(device), reduction="none").double().cpu()
    return torch.zeros(len(ids)).double().index_add(0, counted.nonzero()[:, 0], each), counted.sum(1).double()
