"""The card of an exported model: its origin, its training, and its scores.

Belongs here: the values of the template `card.md`. Does not: copying the model. Cards are published, so they contain no
text of a corpus and no path of this machine.
"""

import json
from pathlib import Path

from getmore_assets.config import Task
from getmore_assets.exports.origin import Origin
from getmore_assets.json_models import JsonObject
from getmore_assets.models import hub_id, is_folder
from getmore_assets.records import Record
from getmore_assets.reporting.statistics import shown
from getmore_assets.training_facts import ScorecardFacts

_TEMPLATE = Path(__file__).with_name("card.md")
_CLASSIFIER = ("text-classification", "AutoModelForSequenceClassification")
_LANGUAGE_MODELS = {
    "causal": ("text-generation", "AutoModelForCausalLM"),
    "masked": ("fill-mask", "AutoModelForMaskedLM"),
}


def text(model: Record, origin: Origin, scorecard: Record | None) -> str:
    """Return the card: Markdown with YAML front matter.

    Args:
        model: Record of the warmed or the fine-tuned model.
        origin: The model's selection and runs.
        scorecard: The task's last scorecard; ignored if it evaluates another model.
    """
    from huggingface_hub import ModelCard, ModelCardData
    from jinja2 import Environment

    task, finetuned = Task.model_validate(model.settings), model.stage == "finetuned_model"
    config = json.loads((Path(model.folders["model"]) / "config.json").read_text("utf-8"))
    is_classifier = config["architectures"][0].endswith("ForSequenceClassification")
    pipeline, loader = _CLASSIFIER if is_classifier else _LANGUAGE_MODELS[task.base_model.objective]
    recipes = {"warm-up": task.warmup.model_dump(exclude_none=True)}
    if finetuned:
        recipes["fine-tuning"] = task.finetune.model_dump(exclude_none=True)
    environment = Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701 - Markdown
    environment.filters |= {"cell": _cell, "shown": shown}
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag=pipeline,
        base_model=hub_id(task.base_model.model),
        tags=["getmore-assets", origin.selector],
    )
    content = environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        card_data=data.to_yaml(),
        title=f"{task.name}, {'fine-tuned' if finetuned else 'warmed up'}",
        base=_base(task.base_model.model),
        objective=task.base_model.objective,
        origin=origin,
        finetuned=finetuned,
        epochs=task.finetune.epochs,
        rows=model.rows,
        loader=loader,
        pooled=config["architectures"][0].startswith("Pooled"),
        folder=model.stage,
        encoder=_shown(task.encoder.model),
        recipes=recipes,
        fields=list(dict.fromkeys(field for recipe in recipes.values() for field in recipe)),
        scorecard=_scores(model, origin, scorecard),
    )
    return str(ModelCard(content))


def _base(model: str) -> str:
    return "A small model trained on the candidate pool" if model == "small" else f"`{_shown(model)}`"


def _shown(model: str) -> str:
    """Return a model's name; of a path, only the last folder."""
    return Path(model).expanduser().resolve().name if is_folder(model) else model


def _scores(model: Record, origin: Origin, scorecard: Record | None) -> JsonObject | None:
    """Return the values of the card's section `Scorecard`; None without a scorecard of this model."""
    if scorecard is None or scorecard.inputs.get(model.stage) != model.data_version:
        return None
    facts, measured = ScorecardFacts.of(scorecard), scorecard.lineage["selection_hash"]
    return {
        "summary": facts.summary,
        "metrics": list(next(iter(facts.summary.values()))),
        "verdict": facts.verdict,
        "seeds": len({row["seed"] for row in facts.scored}),
        "other": None if measured == origin.selection_hash else measured,
    }


def _cell(value: str) -> str:
    """Return the text without characters that end a cell or a line of a Markdown table."""
    return " ".join(str(value).replace("|", "\\|").split())
