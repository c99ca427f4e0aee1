"""Perplexity and classification metrics.

Belongs here: a model and held-out rows in, numbers out. Does not: when a split may be looked at (`phases.py`).
"""

import math
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from getmore_assets.training.losses import losses

_WORDS = r"[\p{L}\p{N}]+"


def likelihood(model: Any, tokenizer: Any, objective: str, texts: list[str], length: int) -> dict[str, float]:
    """Return the perplexity and the nats per character of texts, each evaluated alone.

    Texts that differ only in punctuation and case count once: copies are no independent evidence.

    Args:
        model: A model with a language-modelling head.
        tokenizer: The model's fast tokenizer.
        objective: causal or masked. For masked, the perplexity is that of masked tokens (pseudo-perplexity), and the
            masks are the same for every model.
        texts: Held-out texts with at least one token.
        length: Tokens that the model sees at once; a longer text is evaluated in several windows.

    Returns:
        perplexity, exp of the mean nats per token; for a causal model also nats_per_character, which can be compared
        across tokenizers.
    """
    text_losses = losses(model, tokenizer, objective, folded(texts), length, whole=True)
    nats = float(text_losses.nats.sum())
    measured = {"perplexity": math.exp(nats / text_losses.tokens.sum())}
    if objective == "causal":
        measured["nats_per_character"] = nats / float(text_losses.characters.sum())
    return measured


def folded(texts: list[str]) -> list[str]:
    """Return the texts without those that have the same words (letters and digits) as a text before them."""
    rows = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    words = pl.col("text").str.to_lowercase().str.extract_all(_WORDS).list.join(" ")
    key = pl.when(words == "").then("text").otherwise(words)
    kept: list[str] = rows.unique(key, keep="first", maintain_order=True)["text"].to_list()
    return kept


def classification(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Return accuracy, micro-F1, macro-F1 (over the labels that occur) and Matthews' correlation.

    Args:
        predicted: Predicted class numbers: `[n]`.
        wanted: True class numbers: `[n]`.
    """
    return {
        "accuracy": float(accuracy_score(wanted, predicted)),
        "micro_f1": float(f1_score(wanted, predicted, average="micro")),
        "macro_f1": float(f1_score(wanted, predicted, average="macro", zero_division=0)),
        "matthews": float(matthews_corrcoef(wanted, predicted)),
    }
