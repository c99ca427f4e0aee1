"""Sequence classification on a warmed body.

Belongs here: building the classifier, its data set, its predictions. Does not: the language model it comes from.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.utils.data import Dataset
from transformers import DataCollatorWithPadding

from getmore_assets.corpus.passages import PAIR
from getmore_assets.device import best_device
from getmore_assets.training.batches import in_order_of_length
from getmore_assets.training.pooled import PooledConfig, PooledForSequenceClassification

_MOST_STEPS = 500
_ABSENT = 10.0  # nats by which a class that train has no row of starts below the others


class Labelled(Dataset[dict[str, Any]]):
    """Texts with their class numbers, cut at `length` tokens; pairs are read as the tokenizer reads pairs."""

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
        both = pairs and tokenizer.sep_token is not None  # a decoder reads them with the blank line between
        read = ([text.split(PAIR, 1)[side] for text in texts] for side in (0, 1)) if both else (texts,)
        tokens = tokenizer(*read, truncation=True, max_length=length)
        self._tokens = {name: tokens[name] for name in ("input_ids", "token_type_ids") if name in tokens}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: rows[index] for name, rows in self._tokens.items()} | {"labels": int(self.labels[index])}


def build(body: Any, tokenizer: Any, classes: list[str], pooling: str, seed: int) -> Any:
    """Return a classifier on the body of a language model, which it shares.

    Args:
        body: A language model, warmed or not.
        tokenizer: Its fast tokenizer.
        classes: Names of the labels.
        pooling: mean, last or cls.
        seed: Of the head's weights.
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
    model.name_or_path = body.name_or_path  # adapters say what they go on
    return model


def fit_head(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> None:
    """Set the head to a logistic regression on the frozen body's states.

    Fine-tuning from a random head first distorts what the body knows (Kumar et al., ICLR 2022).

    Args:
        model: Of `build`.
        rows: The labelled rows of train; with fewer than two classes among them nothing is done.
        tokenizer: Its fast tokenizer.
        batch_size: Rows at once.
    """
    if len(set(rows.labels.tolist())) < 2:
        return
    scaler = StandardScaler()
    states = scaler.fit_transform(_states(model, rows, tokenizer, batch_size))
    found = LogisticRegression(max_iter=_MOST_STEPS).fit(states, rows.labels)
    weights, bias = found.coef_, found.intercept_
    if len(found.classes_) == 2:  # one row for two classes
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    weights = weights / scaler.scale_
    head = model.classifier
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(float(bias.min()) - _ABSENT)  # of a class that no row has
        at = torch.as_tensor(found.classes_, device=head.weight.device)
        head.weight[at] = torch.as_tensor(weights, dtype=head.weight.dtype, device=head.weight.device)
        shifted = bias - weights @ scaler.mean_
        head.bias[at] = torch.as_tensor(shifted, dtype=head.bias.dtype, device=head.bias.device)


def collator(tokenizer: Any) -> Any:
    """Labelled texts to padded batches."""
    return DataCollatorWithPadding(tokenizer)


@torch.inference_mode()
def predict(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> np.ndarray:
    """Class numbers: `[len(rows)]`, int64."""
    predicted = np.empty(len(rows), np.int64)
    for places, batch in _batches(model, rows, tokenizer, batch_size):
        predicted[places] = model(**batch).logits.argmax(-1).cpu().numpy()
    return predicted


@torch.inference_mode()
def _states(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> np.ndarray:
    """What the head reads of each row: `[len(rows), d]`, float32."""
    parts: dict[int, np.ndarray] = {}
    for places, batch in _batches(model, rows, tokenizer, batch_size):
        parts |= dict(zip(places, model.pooled(**batch).float().cpu().numpy(), strict=True))
    return np.stack([parts[row] for row in range(len(rows))])


def _batches(
    model: Any, rows: Labelled, tokenizer: Any, batch_size: int
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Rows of about one length, with their places, as the model takes them."""
    model.to(best_device()).eval()
    device, collate, order = next(model.parameters()).device, collator(tokenizer), in_order_of_length(rows)
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        yield places, {k: v.to(device) for k, v in collate([rows[i] for i in places]).items() if k != "labels"}
