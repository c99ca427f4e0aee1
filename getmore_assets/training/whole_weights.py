"""Whether the files of a model contain the weights that its configuration requires.

Belongs here: comparing names and shapes, by the rules with which Transformers loads them. Does not: the numbers in the
files (`weights.py`), or a step of the model (`one_step.py`).
"""

from pathlib import Path
from typing import Any

from transformers import AutoModel

from getmore_assets.corpus.library_errors import translated
from getmore_assets.errors import BadInput
from getmore_assets.training.language_models import quiet

_SAVE_AGAIN = "Correct its config.json, or save the model again with save_pretrained"


def require_whole(kind: Any, folder: Path, where: str) -> None:
    """Refuse files that lack weights of the body, or have them in other shapes than the configuration says.

    Weights are not read. A missing head is trained first (`phases.load_base`); missing weights of the body would stay
    random.

    Args:
        kind: The class that loads the model, such as AutoModelForCausalLM.
        folder: Folder with config.json and safetensors files.
        where: The place that the refusal names.

    Raises:
        BadInput: Weights are missing, have other shapes, or cannot be loaded.
    """
    with quiet(), translated(where, "its weights cannot be loaded"):
        model, told = kind.from_pretrained(
            folder,
            device_map="meta",
            output_loading_info=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    if told["mismatched_keys"]:
        name, there, wanted = min(told["mismatched_keys"])
        what = f"`{name}` has the shape {tuple(there)}, where config.json says {tuple(wanted)}"
        raise BadInput(where, what, _SAVE_AGAIN)
    body = "" if kind is AutoModel else f"{model.base_model_prefix}."
    missing = sorted(name for name in told["missing_keys"] if name.startswith(body) and "pooler" not in name)
    if missing:
        what = f"its files lack {len(missing)} of the body's weights, `{missing[0]}` first"
        raise BadInput(where, what, _SAVE_AGAIN)
