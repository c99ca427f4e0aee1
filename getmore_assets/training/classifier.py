"""Sequence classification on a warmed body.

Belongs here: building the classifier, its data set, its predictions. Does not: the language model it comes from.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from getmore_assets.corpus.passages import PAIR
from getmore_assets.training.batches import in_order_of_length


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


def build(origin: Path, body: Any, tokenizer: Any, classes: list[str], seed: int) -> Any:
    """A classifier with the architecture of `origin` and the weights of the warmed `body`.

    Parts that the language model does not have (BERT's pooler) keep the weights of the origin.
    """
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        origin,
        use_safetensors=True,
        trust_remote_code=False,
        num_labels=len(classes),
        dtype=torch.float32,
        id2label=dict(enumerate(classes)),
        label2id={c: i for i, c in enumerate(classes)},
    )
    warmed = dict(body.base_model.state_dict().items())
    unknown = model.base_model.load_state_dict(warmed, strict=False).unexpected_keys
    if unknown:
        raise RuntimeError(f"the classifier has no place for {unknown[:3]} of the warmed model")
    model.config.pad_token_id = tokenizer.pad_token_id
    model.name_or_path = body.name_or_path  # adapters say what they go on: the warmed body, not the origin
    return model


def collator(tokenizer: Any) -> Any:
    """Labelled texts to padded batches."""
    return DataCollatorWithPadding(tokenizer)


@torch.inference_mode()
def predict(model: Any, rows: Labelled, tokenizer: Any, batch_size: int) -> np.ndarray:
    """Class numbers: `[len(rows)]`, int64."""
    model.eval()
    device = next(model.parameters()).device
    collate, order = collator(tokenizer), in_order_of_length(rows)
    predicted = np.empty(len(rows), np.int64)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = {k: v.to(device) for k, v in collate([rows[i] for i in chosen]).items() if k != "labels"}
        predicted[chosen] = model(**batch).logits.argmax(-1).cpu().numpy()
    return predicted
