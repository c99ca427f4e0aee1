"""Refusing bad input before work starts.

Belongs here: reading a task's sources, and checking them against models, settings and budget. Does not: checks of
materialized assets (`stages/`).
"""

import importlib.util
import json
import logging
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from getmore_assets.config import BROUGHT, PYTHON_DOCS, WITHOUT_WEIGHTS, Budget, Task
from getmore_assets.corpus import candidates, pool, pool_rows, python_docs, readers, target
from getmore_assets.corpus.identity import file_hash, fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, unfinished, unreadable_in
from getmore_assets.launch import launch
from getmore_assets.models import find_model, require_objective
from getmore_assets.pieces import vectors_of
from getmore_assets.pods import require_lake
from getmore_assets.records import write_atomically
from getmore_assets.selection import imported
from getmore_assets.weights import headers_hash
from getmore_assets.workers.contracts import TRY_MODELS, TryModelsSpec

log = logging.getLogger(__name__)
_CODE_VERSION = "3"
_REMEMBERED = 100


def check(task: Task) -> None:
    """Read every input once, and refuse input with which a stage would fail.

    The lake remembers the hashes of inputs that passed, so the next call only hashes the files, and for another target
    the pool is not read again.

    Raises:
        BadInput: The message names the file, row or field, and what to do.
    """
    require_writable(Lake(task.lake))
    _check_packages(task)
    for field, place in task.launch.pods().items():
        if Lake(task.lake).mirror:
            what = f"the lake {task.lake} lies on a store, which a pod cannot use"
            raise BadInput(field, what, "Take it out, or let the lake lie on the volume of the pod")
        require_lake(place, field, Lake(task.lake).root)
    models = _find_models(task)
    prompts = readers.data_version(task.toxicity.prompts) if task.toxicity else None
    settings = [task.encoder.model, [task.zero_shot, task.toxicity, prompts], task.quotas]
    of_target = fingerprint(_CODE_VERSION, settings, target.recipe(task))
    has_vectors = task.encoder.model == BROUGHT
    sources, budget = [readers.same_but_version(s) for s in task.candidates], task.selection.budget
    # Precomputed vectors of pool and target must have the same width, so the pool's check depends on the target.
    of_recipe = fingerprint(_CODE_VERSION, sources, task.corpus, budget, of_target if has_vectors else None)
    of_pool = fingerprint(of_recipe, pool.source_version(task))
    imports = [one for selector in (task.selection, *task.rivals) for one in selector.imports]
    of_imports = {fingerprint(_CODE_VERSION, sources, one, imported.version(one, task)): one for one in imports}
    of_models = _models_fingerprint(task, models)
    now = [of_models, of_target, of_pool, *of_imports]
    memory = Lake(task.lake).folder("records", task.name) / "preflight"
    before = json.loads(memory.read_text("utf-8")) if memory.is_file() else {"passed": [], "recipe": None, "files": []}
    if set(now) <= set(before["passed"]):
        return
    log.info("checking the inputs of %s", task.name)
    if of_models not in before["passed"]:
        _try_models(task, models)
    for key in of_imports.keys() - set(before["passed"]):
        imported.check(of_imports[key], task)
    rows, facts = target.read_target(task)
    _check_evaluators(task, facts.labels)
    for quotas in task.quotas:
        names = rows.filter(pl.col("split") == "train")[quotas.by].drop_nulls().unique().sort()
        target.shares_of(quotas, names.to_list())
    width = None
    if has_vectors:
        width = _check_vectors(rows.filter(pl.col("split") == "train"), "target.train", None)
    files = [readers.files(source) for source in task.candidates]
    if of_pool not in before["passed"]:
        only = readers.new_files(files, before["files"]) if before["recipe"] == of_recipe else None
        _check_pool(task, width, set(rows.filter(pl.col("split") != "train")["id"]), only)
    passed = [key for key in before["passed"] if key not in now][-_REMEMBERED:]
    write_atomically(memory, json.dumps({"passed": [*passed, *now], "recipe": of_recipe, "files": files}))


def _find_models(task: Task) -> dict[str, Path]:
    """Return the folder of each model of a task, by field."""
    folders: dict[str, Path] = {}
    if task.encoder.model not in WITHOUT_WEIGHTS:
        folders["encoder.model"] = find_model(task.encoder.model, "encoder.model")
    if task.base_model.model != "small":
        folders["base_model.model"] = folder = find_model(task.base_model.model, "base_model.model")
        longest = max(task.warmup.max_length, task.finetune.max_length)
        require_objective(folder, task.base_model.objective, longest)
    if task.toxicity:
        folders["toxicity.classifier"] = find_model(task.toxicity.classifier, "toxicity.classifier")
    return folders


def _models_fingerprint(task: Task, models: dict[str, Path]) -> str:
    """Return a hash of everything that a model's first training step depends on; the weights are not read."""
    files = {
        field: [
            [file_hash(p) for p in sorted(folder.iterdir()) if p.suffix in (".json", ".txt", ".model")],
            headers_hash(folder),
        ]
        for field, folder in models.items()
    }
    recipes = [
        [
            recipe.max_length,
            recipe.lora,
            *([recipe.packing] if recipe.packing != "joined" else []),
            *([recipe.attention] if recipe.attention != "auto" else []),
        ]
        for recipe in (task.warmup, task.finetune)
    ]
    labelled = [task.target.label or task.target.train.label, task.target.is_of_pairs]
    encoder = [task.encoder.max_length, task.encoder.adapt]
    return fingerprint("models", version("transformers"), files, recipes, labelled, encoder, task.base_model.objective)


def _try_models(task: Task, models: dict[str, Path]) -> None:
    """Let a worker take one training step with a small copy of each model; this process does not import torch."""
    flash = "flash_attention_2" in (task.warmup.attention, task.finetune.attention)
    if not models and not flash:
        return
    with TemporaryDirectory(dir=Lake(task.lake).folder("work"), prefix="preflight-") as work:
        launch(TRY_MODELS, TryModelsSpec(task=task, models=models), Path(work))


def _check_packages(task: Task) -> None:
    """Refuse settings that need an extra that is not installed."""
    embed, solve = task.launch.embed, task.launch.solve
    needs = [
        ("warmup.lora", task.warmup.lora, "peft", "lora"),
        ("finetune.lora", task.finetune.lora, "peft", "lora"),
        ("launch.embed", embed and embed.ray, "ray", "ray"),
        ("launch.solve", solve and solve.ray, "ray", "ray"),
        ("launch.texts", task.launch.texts.ray, "ray", "ray"),
        ("launch.train", task.launch.train.ray, "ray", "ray"),
        *((field, place, "kubernetes", "kubernetes") for field, place in task.launch.pods().items()),
    ]
    for field, setting, package, extra in needs:
        if setting and importlib.util.find_spec(package) is None:
            what = f"needs the package {package}, which is not installed"
            fix = f"Install the extra: pip install 'getmore-assets[{extra}]', or take {field} out"
            raise BadInput(field, what, fix)


def _check_evaluators(task: Task, labels: list[str]) -> None:
    """Refuse labels without a word for zero-shot, prompts that cannot be read, and a classifier without the label."""
    if task.zero_shot and (missing := sorted(set(labels) - set(task.zero_shot.labels))):
        what = f"no word for the label `{missing[0]}`"
        raise BadInput("zero_shot.labels", what, f"Give one for each of: {', '.join(labels)}")
    if task.toxicity:
        config = find_model(task.toxicity.classifier, "toxicity.classifier") / "config.json"
        names = sorted(json.loads(config.read_text("utf-8")).get("id2label", {}).values())
        if task.toxicity.label not in names:
            what = f"the classifier has no label `{task.toxicity.label}`"
            raise BadInput("toxicity.label", what, f"Its labels are: {', '.join(names) or 'not named'}")
        if not any(batch.height for batch in readers.read(task.toxicity.prompts)):
            raise BadInput(task.toxicity.prompts.path, "there are no prompts", "Give a file that has rows")


def _check_pool(task: Task, width: int | None, evaluated: set[str], only: list[set[str]] | None) -> None:
    """Read every row of the pool, and refuse a budget that exceeds the eligible candidates (near-duplicates included).

    Rows are split and hashed only until the budget is filled, because the stage `raw_corpus` does so for all rows.

    Args:
        task: The task.
        width: Width of precomputed vectors; None without such vectors.
        evaluated: Ids of the rows of validation and test.
        only: For a pool that passed and has grown: the new files of each source. A larger pool needs no budget check.
    """
    budget, count = task.selection.budget, _Count(task, evaluated)
    is_empty = True
    for number, source in enumerate(task.candidates):
        if source.path == PYTHON_DOCS:  # texts of installed packages: only the packages' names can be wrong
            python_docs.distributions(source.include, source.exclude)
            return
        reading = pool.reading_of(source, task)
        for batch in readers.read(source, only[number] if only is not None else None, reading):
            if width is not None and batch.height:
                _check_vectors(batch, source.path, width)
            is_empty = is_empty and not batch.height
            if only is None and not count.fills(budget):
                count.add(pool_rows.passages_of(batch, pool.longest_of(source, task)))
    if only is not None:
        return
    if is_empty:
        where = ", ".join(source.path for source in task.candidates)
        raise BadInput(where, "the candidate pool is empty", "Give sources that have rows")
    candidates.require_budget(budget, count.rows, count.tokens)


class _Count:
    """A count of distinct eligible passages, and of their tokens."""

    def __init__(self, task: Task, evaluated: set[str]) -> None:
        self.rows = self.tokens = 0
        self._task, self._seen = task, set(evaluated)

    def fills(self, budget: Budget) -> bool:
        """Return whether the counted passages fill a budget."""
        return self.rows > 0 and self.rows >= (budget.rows or 0) and self.tokens >= (budget.tokens or 0)

    def add(self, passages: pl.DataFrame) -> None:
        """Count passages that were not counted yet."""
        for id_, tokens in passages.select("id", "n_tokens").iter_rows():
            if id_ not in self._seen:
                self._seen.add(id_)
                if not pool_rows.is_held_out(id_, self._task.corpus.held_out):
                    self.rows, self.tokens = self.rows + 1, self.tokens + tokens


def _check_vectors(rows: pl.DataFrame, where: str, width: int | None) -> int:
    """Return the width of precomputed vectors; refuse vectors of different widths, or with NaN, or all zero."""
    if "vector" not in rows.columns or not isinstance(rows["vector"].dtype, pl.List | pl.Array):
        raise BadInput(where, "the `vector` column holds no lists of numbers", "Write one list of floats a row")
    as_lists = rows.with_columns(pl.col("vector").cast(pl.List(pl.Float32)))
    widths = as_lists["vector"].list.len()
    expected = width or int(widths[0] or 0)
    wrong = widths.is_null() | (widths != expected)
    if wrong.any() or not expected:
        row = rows.filter(wrong)["origin"][0] if wrong.any() else where
        what = f"vector of width {widths.filter(wrong)[0] if wrong.any() else 0}, where the others have {expected}"
        raise BadInput(row, what, "Encode all rows with one model")
    matrix = vectors_of(as_lists)
    bad = ~np.isfinite(matrix).all(axis=1) | (np.abs(matrix).max(axis=1) == 0)
    if bad.any():
        row = rows["origin"][int(np.argmax(bad))]
        raise BadInput(row, "vector with NaN or infinity, or all zero", "Encode the row again, or leave it out")
    return expected


def require_writable(lake: Lake) -> None:
    """Create the lake's folder, and refuse a folder that cannot hold tables.

    Raises:
        BadInput: The folder cannot be written to, Delta tables under its path cannot be read, or the store of the lake
            ignores the conditions of writes.
    """
    if lake.mirror:
        if sign := unreadable_in(Path("/", *lake.address.split("/")[3:])):
            what = f"has `{sign}` in its path, under which Delta tables cannot be read"
            raise BadInput(f"lake {lake.address}", what, "Set `lake` to a URL of plain letters, digits and - _ . /")
        lake.mirror.require_conditions()
    else:
        _require_writable(lake.root)


def _require_writable(lake: Path) -> None:
    if sign := unreadable_in(lake):
        what = f"has `{sign}` in its path, under which Delta tables cannot be read"
        raise BadInput(f"lake {lake}", what, "Set `lake` to a path of plain letters, digits and - _ . /")
    try:
        lake.mkdir(parents=True, exist_ok=True)
        probe = unfinished(lake / "writable")
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        what = f"cannot be written to ({error.strerror or error})"
        raise BadInput(f"lake {lake}", what, "Set `lake` to a folder you may write") from None
