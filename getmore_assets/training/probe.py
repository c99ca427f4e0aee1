"""A linear probe: how well a body's frozen hidden states predict the labels, without fine-tuning.

Belongs here: the features, and the probe over several draws of labels. Does not: fine-tuning a classifier
(`phases.py`).

Fine-tuning a classifier adds noise, and changes the body so much that the warm-up's effect may not show. A probe has
only the noise of sampling labels, and with 20 samples shows differences of about 0.005.
"""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from getmore_assets.device import best_device
from getmore_assets.training.phases import TargetSplits

_DRAWS = 20
_LABELS = 1000  # rows of train in a sample, or half of train where that is fewer, so that samples differ
_LAYERS = 4  # spread evenly from the embeddings to the last layer
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of ridge; chosen on validation for each sample
_BATCH_TOKENS = 8192
_FIRST_SEED = 1_000_000  # first seed of the samples, beyond every seed of fine-tuning


def probe(model: Any, tokenizer: Any, held: TargetSplits, length: int) -> dict[str, float]:
    """Return the mean test accuracy, over 20 samples of labels, of a ridge classifier on mean-pooled hidden states.

    Args:
        model: A model with a language-modelling head; it is not changed.
        tokenizer: The model's fast tokenizer.
        held: Train, validation and test with labels.
        length: Tokens to which texts are truncated.

    Returns:
        probe_micro_f1; an empty dictionary where train has fewer than 4 rows, or one class.
    """
    count = min(_LABELS, len(held.train.texts) // 2)
    if count < 2 or len(set(held.train.labels)) < 2:
        return {}
    splits = {name: getattr(held, name) for name in ("train", "validation", "test")}
    states = {name: features(model, tokenizer, split.texts, length) for name, split in splits.items()}
    labels = {name: np.array(split.labels) for name, split in splits.items()}
    accuracies = []
    for draw in range(_DRAWS):
        rows = held.train.sampled_indices(count, _FIRST_SEED + draw)
        if len(set(labels["train"][rows])) < 2:
            continue
        scaler = StandardScaler().fit(states["train"][rows])
        scaled = {name: scaler.transform(of) for name, of in states.items()}
        models = [RidgeClassifier(alpha).fit(scaled["train"][rows], labels["train"][rows]) for alpha in _PENALTIES]
        best = max(models, key=lambda one: one.score(scaled["validation"], labels["validation"]))
        accuracies.append(best.score(scaled["test"], labels["test"]))
    return {"probe_micro_f1": float(np.mean(accuracies))} if accuracies else {}


@torch.inference_mode()
def features(model: Any, tokenizer: Any, texts: list[str], length: int) -> np.ndarray:
    """Return the hidden states of some layers, averaged over the tokens of each text: `[n, layers * d]`, float32."""
    device = best_device()
    model.to(device).eval()
    tokens = tokenizer(texts, truncation=True, max_length=length)["input_ids"]
    order = sorted(range(len(texts)), key=lambda row: -len(tokens[row]))
    parts: dict[int, np.ndarray] = {}
    while order:
        rows = order[: max(1, _BATCH_TOKENS // max(1, len(tokens[order[0]])))]
        order = order[len(rows) :]
        batch = tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt").to(device)
        states = model.base_model(**batch, output_hidden_states=True).hidden_states
        chosen = np.unique(np.linspace(0, len(states) - 1, _LAYERS).round().astype(int))
        real = batch["attention_mask"].unsqueeze(-1).float()
        total = real.sum(1).clamp(min=1)
        pooled = torch.cat([(states[at].float() * real).sum(1) / total for at in chosen], 1)
        parts |= dict(zip(rows, pooled.cpu().numpy(), strict=True))
    return np.stack([parts[row] for row in range(len(texts))])
