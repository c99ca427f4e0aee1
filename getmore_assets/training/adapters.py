"""Low-rank adapters (LoRA): put on a model before it is trained, kept, and merged into its weights afterwards.

Belongs here: PEFT, imported where a recipe asks for it. Does not: the training (`fit.py`).
"""

import warnings
from pathlib import Path
from typing import Any

from transformers.pytorch_utils import Conv1D

from getmore_assets.config import Lora
from getmore_assets.errors import BadInput

_HEADS = ("classifier", "pooler", "pre_classifier", "score")  # of classifiers: as they are new, trained whole
_OLD_NAME = "`is_gradient_checkpointing` is deprecated"  # by which PEFT 0.21 asks Transformers 5.23


def put_on(model: Any, asked: Lora) -> Any:
    """The model behind adapters, which alone can be trained, along with a classifier's head.

    Raises:
        BadInput: The model has no layers of the names that are asked for.
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
    """Write the adapters, as safetensors."""
    trained.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # PEFT's form for a model card, with nothing filled in


def merge(trained: Any) -> None:
    """Make the model that adapters were put on a plain one again, with what they learned in its weights."""
    plain = trained.merge_and_unload()
    for parameter in plain.parameters():
        parameter.requires_grad = True
