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
from getmore_assets.stages.checks import Checked, Finding, check
from getmore_assets.stages.job import Job, StageResult
from getmore_assets.stages.stage import Stage
from getmore_assets.stages.warmed_model import SEED
from getmore_assets.training_facts import FineTuningFacts
from getmore_assets.workers.training_contracts import FINE_TUNE, FineTuneSpec

_HEAD = "head 2"  # how a classifier's head is fitted; another name trains classifiers again, and no language model


def judged_by(task: Task) -> list[Any]:
    """What besides the recipe its metrics depend on: how the model is judged, by which files, and from which head."""
    found: list[Any] = [asked for asked in (task.zero_shot, task.toxicity) if asked]
    if (task.target.label or task.target.train.label) and task.finetune.epochs:
        found.append(_HEAD)
    if task.toxicity:
        classifier = find_model(task.toxicity.classifier, "toxicity.classifier")
        found += [readers.data_version(task.toxicity.prompts), model_fingerprint(classifier)]
    return found


def _target_is_near(job: Job, last: Record) -> str | None:
    """The last model stands where what it came from does and `drift.rows` lets the change of target train pass."""
    same = last.inputs["warmed_model"] == job.inputs["warmed_model"].data_version
    target, before = TargetFacts.of(job.inputs["target_data"]), FineTuningFacts.of(last)
    if not same or before.evaluated_version != target.evaluated_version or job.task.drift.rows is None:
        return None
    train = [points_of(table, job.task.name) for table in (last.input_table("target_data"), job.table("target_data"))]
    changed = weight_changed(*train)
    return f"{changed:.2%} of the target changed since" if changed <= job.task.drift.rows else None


def _fine_tune(job: Job) -> StageResult:
    folder = job.lake.folder("models", "finetuned_model") / job.fingerprint[:16]
    target = TargetFacts.of(job.inputs["target_data"])
    spec = FineTuneSpec(
        **job.common,
        act="fine_tune",
        raw_corpus=job.table("raw_corpus"),
        target_data=job.table("target_data"),
        classes=target.labels,
        warmed=job.model("warmed_model"),
        folder=folder,
        seed=SEED,
    )
    done = job.launch(FINE_TUNE, spec)
    figures.curve(done.curve, "Fine-tuning", job.figure("curve"))
    facts = {**done.given(), "evaluated_version": target.evaluated_version}
    return StageResult(target.rows["train"], facts, folders={"model": str(folder)})


@check(blocking=True)
def metrics_are_finite(of: Checked) -> Finding:
    """Every metric on test, and there is one, is finite."""
    metrics = FineTuningFacts.of(of.record).metrics
    bad = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    return Finding(passed=bool(metrics) and not bad, metadata={"metrics": sorted(metrics), "not_finite": bad})


STAGE = Stage(
    name="finetuned_model",
    description="The warmed model after fine-tuning on the target's train split, as a language model or, with "
    "labels, as a classifier. Stops early on validation; test is looked at once, at the end.",
    group="models",
    kinds=frozenset({"huggingface", "torch"}),
    code_version="6",
    settings=lambda task: [task.finetune, *judged_by(task)],
    make=_fine_tune,
    reads=("raw_corpus", "target_data", "warmed_model"),
    versions={"raw_corpus": "held_out_version"},  # the general text that forgetting is measured on
    keep=_target_is_near,
    tracked=True,
    on_gpu=True,
    asks_models=True,
    checks=(metrics_are_finite,),
)
