"""Perplexity and classification metrics.

Belongs here: a model and held-out rows in, numbers out. Does not: when a split may be looked at (`acts.py`).
"""

import math
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from torch.nn.functional import cross_entropy

from getmore_assets.device import best_device
from getmore_assets.training import language_models
from getmore_assets.training.blocks import Blocks

_BATCH = 32


@torch.inference_mode()
def perplexity(model: Any, tokenizer: Any, objective: str, texts: list[str], length: int) -> float:
    """Exp of the mean negative log-likelihood of a token (of a masked token, for a masked model: pseudo-perplexity).

    The masks are the same for every model that is evaluated.
    """
    blocks = Blocks(texts, tokenizer, length)
    collate = language_models.collator(tokenizer, objective)
    device = best_device()
    model.to(device).eval()
    total, count = 0.0, 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for start in range(0, len(blocks), _BATCH):
            batch = collate([blocks[i] for i in range(start, min(start + _BATCH, len(blocks)))])
            ids, labels = batch["input_ids"].to(device), batch["labels"].to(device)
            if objective == "causal":
                logits, wanted = model(input_ids=ids).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
            else:
                masked = labels.ne(-100)
                with language_models.only_at(model, masked):
                    logits = language_models.told_at(model(input_ids=ids).logits, masked)
                wanted = labels[masked]
            total += float(cross_entropy(logits.float(), wanted, reduction="sum"))
            count += int(wanted.ne(-100).sum())
    return math.exp(total / count)


def classification(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Accuracy, micro-F1, macro-F1 (over the labels that occur) and Matthews' correlation.

    Args:
        predicted: Class numbers: `[n]`.
        wanted: Class numbers: `[n]`.
    """
    return {
        "accuracy": float(accuracy_score(wanted, predicted)),
        "micro_f1": float(f1_score(wanted, predicted, average="micro")),
        "macro_f1": float(f1_score(wanted, predicted, average="macro", zero_division=0)),
        "matthews": float(matthews_corrcoef(wanted, predicted)),
    }
