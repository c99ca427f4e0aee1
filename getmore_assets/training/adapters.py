"""Low-rank adapters (LoRA): added to a model before its training, then saved, and merged into the model's weights.

Belongs here: PEFT, imported only where a recipe has `lora`. Does not: the training (`fit.py`).
"""

import warnings
from pathlib import Path
from typing import Any

from transformers.pytorch_utils import Conv1D

from getmore_assets.config import Lora
from getmore_assets.errors import BadInput

_HEADS = ("classifier", "pooler", "pre_classifier", "score")  # heads of classifiers: new, so all weights are trained
_OLD_NAME = "`is_gradient_checkpointing` is deprecated"  # PEFT 0.21 uses this name of Transformers 5.23


def put_on(model: Any, asked: Lora) -> Any:
    """Return the model with adapters. Only the adapters and the head of a classifier can be trained.

    Raises:
        BadInput: The model has no layers with the names in `target_modules`.
    """
    from peft import LoraConfig, get_peft_model

    heads = {name.rpartition(".")[2] for name, _ in model.named_modules()} & set(_HEADS)
    classifies = not model.can_generate() and model.get_output_embeddings() is None
    config = LoraConfig(
        r=asked.rank,
        lora_alpha=asked.alpha,
        lora_dropout=asked.dropout,
        target_modules=asked.target_modules,
        modules_to_save=sorted(heads) if classifies else None,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _OLD_NAME, FutureWarning)
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            fix = "Give names of linear layers of the base model, or all-linear"
            raise BadInput("lora.target_modules", str(error).split(". ")[0], fix) from error


def keep(trained: Any, folder: Path) -> None:
    """Save the adapters as safetensors."""
    trained.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # PEFT's empty template of a model card


def merge(trained: Any) -> None:
    """Merge the adapters into the model's weights, and remove them from the model, in place."""
    plain = trained.merge_and_unload()
    for parameter in plain.parameters():
        parameter.requires_grad = True
