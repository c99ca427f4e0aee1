"""A classifier: a body, a pooling of its last hidden states (mean, last or cls), and a linear layer.

Belongs here: the model and its configuration, as Transformers saves and loads them. Does not: data or training.

The classification heads of Transformers' architectures pool differently, some of them badly: before fine-tuning the
last token of a decoder says little of the text, and BERT's pooler is untrained in a model trained with mean pooling.
After

    import getmore_assets.training.pooled

`AutoModelForSequenceClassification.from_pretrained` loads a folder of this class.
"""

from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from getmore_assets.json_models import JsonObject

POOLINGS = ("mean", "last", "cls")


class PooledConfig(PreTrainedConfig):  # type: ignore[misc]
    """The configuration of the body, as a dictionary in `body`, and the pooling: mean, last or cls (first) token."""

    model_type = "getmore-pooled"

    def __init__(self, body: JsonObject | None = None, pooling: str = "mean", **kwargs: Any) -> None:
        self.body, self.pooling = body or {}, pooling
        super().__init__(**kwargs)

    def get_text_config(self, *_: Any, **__: Any) -> Any:
        """Return this configuration, not that of the body, which is only data here."""
        return self


class PooledForSequenceClassification(PreTrainedModel):  # type: ignore[misc]
    """A body, a pooling and a linear layer.

    Args:
        config: Has the body's configuration and `num_labels`.
        body: The body; None for one with random weights.
    """

    config_class = PooledConfig
    base_model_prefix = "body"
    supports_gradient_checkpointing = True

    def __init__(self, config: PooledConfig, body: Any = None) -> None:
        super().__init__(config)
        self.body = _body(config.body) if body is None else body
        self.classifier = nn.Linear(self.body.config.get_text_config().hidden_size, config.num_labels)
        self.post_init()

    def _init_weights(self, module: Any) -> None:
        """Do nothing: torch initialises the linear layer, and the body its own weights."""

    def pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, **other: Any) -> torch.Tensor:
        """Return one state for each text: `[rows, d]`."""
        states: torch.Tensor = self.body(input_ids=input_ids, attention_mask=attention_mask, **other).last_hidden_state
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if self.config.pooling == "cls":
            return states[:, 0]
        if self.config.pooling == "last":
            last = (real * torch.arange(real.shape[1], device=real.device)).argmax(1)
            return states[torch.arange(len(states), device=states.device), last]
        weight = real.unsqueeze(-1).to(states.dtype)
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Return logits `[rows, num_labels]`, and with labels the mean cross-entropy."""
        other = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits = self.classifier(self.pooled(input_ids, attention_mask, **other))
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _body(of: JsonObject) -> Any:
    config = AutoConfig.for_model(**of)
    try:
        return AutoModel.from_config(config, add_pooling_layer=False, trust_remote_code=False)
    except TypeError:  # an architecture without a pooler
        return AutoModel.from_config(config, trust_remote_code=False)


AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
AutoModelForSequenceClassification.register(PooledConfig, PooledForSequenceClassification, exist_ok=True)
