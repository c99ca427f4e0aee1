"""An encoder tuned on the target: a few epochs of language modelling on target train before any text is encoded.

Belongs here: tuning the encoder, once. Does not: encoding (`transformer.py`).
"""

import shutil
from pathlib import Path

from getmore_assets.config import BaseModelChoice, Encoder, Training
from getmore_assets.training import language_models, phases
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.fit import fit


def adapted(folder: Path, chosen: Encoder, texts: list[str], fitted: Path) -> Path:
    """Return the folder of the tuned encoder; tune it if the folder does not exist.

    As for base models, a missing language-modelling head is trained first, with the body frozen.

    Args:
        folder: Folder of the published encoder.
        chosen: Settings of the encoder; `adapt` is the recipe.
        texts: Texts of target train.
        fitted: Path of the folder to return, with a suffix.
    """
    assert chosen.adapt is not None
    tuned, work = fitted.with_suffix(""), fitted.with_suffix(".work")
    if tuned.is_dir():
        return tuned
    recipe = Training(**chosen.adapt.model_dump(exclude={"objective"}), max_length=chosen.max_length)
    base = BaseModelChoice(model=str(folder), objective=chosen.adapt.objective)
    model, tokenizer, _, _ = phases.load_base(folder, base, texts, recipe.max_length, work / "head")
    blocks = Blocks(texts, tokenizer, recipe.max_length)
    collate = language_models.collator(tokenizer, chosen.adapt.objective)
    fit(model, blocks, recipe, 0, work / "body", collate, name="adapting the encoder")
    language_models.save(model, tokenizer, tuned)
    shutil.rmtree(work, ignore_errors=True)
    return tuned
