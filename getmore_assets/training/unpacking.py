"""Convert a GGUF model of an installed package once to a safetensors folder, which everything else reads.

Belongs here: the conversion, a separate program because it needs torch. Does not: where the package and the folder are
(`models.py`).

    python -m getmore_assets.training.unpacking FILE.gguf FOLDER
"""

import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from getmore_assets.training.language_models import quiet


def unpack(file: Path, folder: Path) -> None:
    """Write the model and tokenizer of a GGUF file to a folder, with de-quantized float32 weights.

    Args:
        file: A causal model that Transformers supports.
        folder: Must not exist.
    """
    place, name = file.parent, file.name
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name, trust_remote_code=False)
        packed = AutoModelForCausalLM.from_pretrained(
            place, gguf_file=name, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
        config = AutoConfig.from_pretrained(place, gguf_file=name, trust_remote_code=False)
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
