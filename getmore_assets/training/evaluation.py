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
    """Return the perplexity and the nats a character of texts, each read alone.

    A text that repeats another in all but marks and case counts once: the model that read it would know it by heart
    within a block, and copies are no evidence of their own.

    Args:
        model: With a language-modelling head.
        tokenizer: Its fast tokenizer.
        objective: causal; or masked, where the perplexity is that of masked tokens (pseudo-perplexity). The masks are
            the same for every model that is evaluated.
        texts: Held-out texts, with a token among them.
        length: Tokens that the model sees at once; a longer text is read in several windows.

    Returns:
        perplexity, exp of the mean nats of a token; and of a causal model nats_per_character, which compares across
        tokenizers.
    """
    found = losses(model, tokenizer, objective, folded(texts), length, whole=True)
    nats = float(found.nats.sum())
    measured = {"perplexity": math.exp(nats / found.tokens.sum())}
    if objective == "causal":
        measured["nats_per_character"] = nats / float(found.characters.sum())
    return measured


def folded(texts: list[str]) -> list[str]:
    """Return the texts without those whose words, letters and digits alone, are the words of a text before them."""
    rows = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    words = pl.col("text").str.to_lowercase().str.extract_all(_WORDS).list.join(" ")
    key = pl.when(words == "").then("text").otherwise(words)
    kept: list[str] = rows.unique(key, keep="first", maintain_order=True)["text"].to_list()
    return kept


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
