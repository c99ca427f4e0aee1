"""An encoder tuned on the target: a few epochs of language modelling on target train, before anything is encoded.

Belongs here: making it, once. Does not: encoding with it (`transformer.py`).
"""

import shutil
from pathlib import Path

from getmore_assets.config import BaseModelChoice, Encoder, Training
from getmore_assets.training import language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit


def adapted(folder: Path, chosen: Encoder, texts: list[str], fitted: Path) -> Path:
    """The folder of the adapted encoder, made where it is not there.

    A checkpoint without a language-modelling head gets one first, with the body frozen, as base models do.

    Args:
        folder: The encoder as it was published.
        chosen: Its `adapt` section is the recipe.
        texts: Of target train.
        fitted: The adapted model lies beside this.
    """
    assert chosen.adapt is not None
    made, work = fitted.with_suffix(""), fitted.with_suffix(".work")
    if made.is_dir():
        return made
    recipe = Training(**chosen.adapt.model_dump(exclude={"objective"}), max_length=chosen.max_length)
    base = BaseModelChoice(model=str(folder), objective=chosen.adapt.objective)
    model, tokenizer, _, _ = phases.load_base(folder, base, texts, recipe.max_length, work / "head")
    blocks = Blocks(texts, tokenizer, recipe.max_length)
    collate = language_models.collator(tokenizer, chosen.adapt.objective)
    fit(model, blocks, recipe, 0, work / "body", collate, name="adapting the encoder")
    language_models.save(model, tokenizer, made)
    shutil.rmtree(work, ignore_errors=True)
    return made
