"""Sequence classification on a warmed body.

Belongs here: building the classifier, its data set, its predictions. Does not: the language model it comes from.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch.utils.data import Dataset
from transformers import DataCollatorWithPadding

from getmore_assets.corpus.passages import PAIR
from getmore_assets.device import best_device
from getmore_assets.training.batches import in_order_of_length
from getmore_assets.training.pooled import PooledConfig, PooledForSequenceClassification

_MOST_STEPS = 500
_LEAST_SPREAD = 0.1  # least spread of a state's entry, as a share of the mean spread of all entries
_FOLDS = 3
_PENALTIES = (0.001, 0.01, 0.1, 1.0)  # inverse, as scikit-learn has them: the first is the strongest
_ABSENT = 10.0  # the initial bias of a class without a row in train is so many nats below the others


class Labelled(Dataset[dict[str, Any]]):
    """Texts truncated to `length` tokens, with their class numbers; a pair of texts is tokenized as a pair."""

    def __init__(
        self,
        texts: list[str],
        labels: list[str],
        classes: list[str],
        tokenizer: Any,
        length: int,
        *,
        pairs: bool = False,
    ) -> None:
        number = {label: i for i, label in enumerate(classes)}
        self.labels = np.array([number[label] for label in labels])
        both = pairs and tokenizer.sep_token is not None  # else the pair stays one text, with a blank line inside
        read = ([text.split(PAIR, 1)[side] for text in texts] for side in (0, 1)) if both else (texts,)
        tokens = tokenizer(*read, truncation=True, max_length=length)
        self._tokens = {name: tokens[name] for name in ("input_ids", "token_type_ids") if name in tokens}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: rows[index] for name, rows in self._tokens.items()} | {"labels": int(self.labels[index])}


def build(body: Any, tokenizer: Any, classes: list[str], pooling: str, seed: int) -> Any:
    """Return a classifier that shares its body with the language model.

    Args:
        body: A language model, warmed or not.
        tokenizer: The model's fast tokenizer.
        classes: Names of the labels.
        pooling: mean, last or cls.
        seed: Seed of the head's weights.
    """
    torch.manual_seed(seed)
    inner = body.base_model
    config = PooledConfig(
        body=inner.config.to_dict(),
        pooling=pooling,
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={c: i for i, c in enumerate(classes)},
        pad_token_id=tokenizer.pad_token_id,
    )
    model = PooledForSequenceClassification(config, inner)
    model.name_or_path = body.name_or_path  # saved adapters name their base model
    return model


def fit_head(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> None:
    """Set the head to a logistic regression on the frozen body's states.

    Fine-tuning from a random head first distorts what the body knows (Kumar et al., ICLR 2022). So does a head with
    large weights: a small step of the body changes its logits a lot. So the penalty on the weights is chosen by cross-
    validation, and states that hardly vary (some models have dead ones) are not scaled up to unit variance.

    Args:
        model: From `build`.
        rows: The labelled rows of train; with fewer than two classes in them the head stays as it is.
        tokenizer: The model's fast tokenizer.
        batch_size: Rows in a batch.
    """
    if len(set(rows.labels.tolist())) < 2:
        return
    states = _states(model, rows, tokenizer, batch_size).astype(np.float64)
    mean, spread = states.mean(0), states.std(0)
    spread = np.maximum(spread, _LEAST_SPREAD * np.sqrt((spread**2).mean()) or 1.0)
    states = (states - mean) / spread
    regression = LogisticRegression(C=_penalty(states, rows.labels), max_iter=_MOST_STEPS).fit(states, rows.labels)
    weights, bias = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # scikit-learn has one row of weights for two classes
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    weights = weights / spread
    head = model.classifier
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(float(bias.min()) - _ABSENT)  # stays the bias of classes that no row has
        at = torch.as_tensor(regression.classes_, device=head.weight.device)
        head.weight[at] = torch.as_tensor(weights, dtype=head.weight.dtype, device=head.weight.device)
        shifted = bias - weights @ mean
        head.bias[at] = torch.as_tensor(shifted, dtype=head.bias.dtype, device=head.bias.device)


def _penalty(states: np.ndarray, labels: np.ndarray) -> float:
    """Choose the inverse penalty by cross-validated log loss: the strongest within one standard error of the best.

    Classes with fewer rows than folds are left out; if fewer than two remain, the strongest penalty is taken.

    Args:
        states: Standardised: `[n, d]`.
        labels: Class numbers: `[n]`.
    """
    often = np.bincount(labels)[labels] >= _FOLDS
    if len(set(labels[often].tolist())) < 2:
        return _PENALTIES[0]
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    losses = np.stack(
        [
            -cross_val_score(
                LogisticRegression(C=penalty, max_iter=_MOST_STEPS),
                states[often],
                labels[often],
                cv=folds,
                scoring="neg_log_loss",
            )
            for penalty in _PENALTIES
        ]
    )
    means, error = losses.mean(1), losses.std(1, ddof=1) / np.sqrt(_FOLDS)
    best = int(means.argmin())
    return _PENALTIES[int(np.argmax(means <= means[best] + error[best]))]


def collator(tokenizer: Any) -> Any:
    """Return the collator that pads labelled texts to batches."""
    return DataCollatorWithPadding(tokenizer)


@torch.inference_mode()
def predict(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> np.ndarray:
    """Return the predicted class numbers: `[len(rows)]`, int64."""
    predicted = np.empty(len(rows), np.int64)
    for places, batch in _batches(model, rows, tokenizer, batch_size):
        predicted[places] = model(**batch).logits.argmax(-1).cpu().numpy()
    return predicted


@torch.inference_mode()
def _states(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> np.ndarray:
    """Return the pooled states, which are the head's input: `[len(rows), d]`, float32."""
    parts: dict[int, np.ndarray] = {}
    for places, batch in _batches(model, rows, tokenizer, batch_size):
        parts |= dict(zip(places, model.pooled(**batch).float().cpu().numpy(), strict=True))
    return np.stack([parts[row] for row in range(len(rows))])


def _batches(
    model: Any, rows: Labelled, tokenizer: Any, batch_size: int
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yield batches of rows of similar length as the model's arguments, with the indices of the rows."""
    model.to(best_device()).eval()
    device, collate, order = next(model.parameters()).device, collator(tokenizer), in_order_of_length(rows)
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        yield places, {k: v.to(device) for k, v in collate([rows[i] for i in places]).items() if k != "labels"}
