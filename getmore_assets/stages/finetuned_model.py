"""`finetuned_model`: the warmed model after fine-tuning on target train."""

import math
from typing import Any

from getmore_assets.config import Task
from getmore_assets.corpus import readers
from getmore_assets.corpus.target import TargetFacts, points_of
from getmore_assets.models import find_model, model_fingerprint
from getmore_assets.records import Record
from getmore_assets.reporting import figures
from getmore_assets.reselection.drift import weight_changed
from getmore_assets.stages.checks import CheckContext, CheckResult, check
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.stage_context import StageContext, StageResult
from getmore_assets.stages.warmed_model import SEED
from getmore_assets.training_facts import FineTuningFacts
from getmore_assets.workers.training_contracts import FINE_TUNE, FineTuneSpec

_HEAD = "head 2"  # version of the code that fits a classifier's head, part of classifiers' cache keys


def evaluation_settings(task: Task) -> list[Any]:
    """Return what the metrics depend on besides the training recipe: evaluators, their files, the classifier's head."""
    settings: list[Any] = [evaluator for evaluator in (task.zero_shot, task.toxicity) if evaluator]
    if (task.target.label or task.target.train.label) and task.finetune.epochs:
        settings.append(_HEAD)
    if task.toxicity:
        classifier = find_model(task.toxicity.classifier, "toxicity.classifier")
        settings += [readers.data_version(task.toxicity.prompts), model_fingerprint(classifier)]
    return settings


def _keep(context: StageContext, last: Record) -> str | None:
    """Keep the last model if the warmed model is the same and target train drifted by at most `drift.rows`."""
    same = last.inputs["warmed_model"] == context.inputs["warmed_model"].data_version
    target, before = TargetFacts.of(context.inputs["target_data"]), FineTuningFacts.of(last)
    if not same or before.evaluated_version != target.evaluated_version or context.task.drift.rows is None:
        return None
    tables = last.input_table("target_data"), context.table("target_data")
    changed = weight_changed(*(points_of(table, context.task.name) for table in tables))
    return f"{changed:.2%} of the target changed since" if changed <= context.task.drift.rows else None


def _fine_tune(context: StageContext) -> StageResult:
    folder = context.lake.folder("models", "finetuned_model") / context.fingerprint[:16]
    target = TargetFacts.of(context.inputs["target_data"])
    spec = FineTuneSpec(
        **context.common,
        act="fine_tune",
        raw_corpus=context.table("raw_corpus"),
        target_data=context.table("target_data"),
        classes=target.labels,
        warmed=context.model("warmed_model"),
        folder=folder,
        seed=SEED,
    )
    done = context.launch(FINE_TUNE, spec)
    figures.curve(done.curve, "Fine-tuning", context.figure("curve"))
    facts = {**done.given(), "evaluated_version": target.evaluated_version}
    return StageResult(target.rows["train"], facts, folders={"model": str(folder)})


@check(blocking=True)
def metrics_are_finite(context: CheckContext) -> CheckResult:
    """There are metrics on test, and all are finite."""
    metrics = FineTuningFacts.of(context.record).metrics
    bad = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    return CheckResult(passed=bool(metrics) and not bad, metadata={"metrics": sorted(metrics), "not_finite": bad})


STAGE = Stage(
    name="finetuned_model",
    description="The warmed model after fine-tuning on the target's train split, as a language model or, with "
    "labels, as a classifier. Stops early on validation; test is evaluated once, at the end.",
    group="models",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="7",
    settings=lambda task: [task.finetune, *evaluation_settings(task)],
    compute=_fine_tune,
    reads=("raw_corpus", "target_data", "warmed_model"),
    versions={"raw_corpus": "held_out_version"},  # the general text that forgetting is measured on
    keep=_keep,
    tracked=True,
    on_gpu=True,
    hashes_models=True,
    checks=(metrics_are_finite,),
)
