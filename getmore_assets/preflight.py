"""Everything that can be refused before work starts, refused before work starts.

Belongs here: opening what a task names and checking it against the rest. Does not: checks on things already made (asset
checks, in `defs/`).
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
from getmore_assets.corpus import candidates, pool, python_docs, readers, target
from getmore_assets.corpus.identity import file_hash, fingerprint
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, unfinished, unreadable_in, vectors_of
from getmore_assets.launch import launch
from getmore_assets.models import find_model, require_objective
from getmore_assets.pods import require_lake
from getmore_assets.records import write_atomically
from getmore_assets.selection import imported
from getmore_assets.weights import headers_hash
from getmore_assets.workers.contracts import TRY_MODELS, TryModelsSpec

log = logging.getLogger(__name__)
_CODE_VERSION = "3"
_REMEMBERED = 100


def check(task: Task) -> None:
    """Read every input once, and refuse what the line would trip over later.

    What passed is remembered in the lake by the content of the inputs, so the next call costs a hash of the files, and
    another target does not have the pool read again.

    Raises:
        BadInput: With the file, row or field, and what to do.
    """
    require_writable(Lake(task.lake))
    _check_packages(task)
    for field, place in task.launch.pods().items():
        if Lake(task.lake).mirror:
            what = f"the lake {task.lake} lies on a store, which a pod cannot use"
            raise BadInput(field, what, "Take it out, or let the lake lie on the volume of the pod")
        require_lake(place, field, Lake(task.lake).root)
    models = _find_models(task)
    judges = [task.zero_shot, task.toxicity, readers.data_version(task.toxicity.prompts) if task.toxicity else None]
    asked = [task.encoder.model, judges, task.quotas]
    of_target = fingerprint(_CODE_VERSION, asked, target.recipe(task))
    brought = of_target if task.encoder.model == BROUGHT else None  # vectors of both sides must be of one width
    sources, budget = [readers.same_but_version(s) for s in task.candidates], task.selection.budget
    of_recipe = fingerprint(_CODE_VERSION, sources, task.corpus, budget, brought)
    of_pool = fingerprint(of_recipe, pool.source_version(task))
    chosen = [one for selector in (task.selection, *task.rivals) for one in selector.imports]
    of_chosen = {fingerprint(_CODE_VERSION, sources, one, imported.version(one, task)): one for one in chosen}
    of_models = _models_fingerprint(task, models)
    now = [of_models, of_target, of_pool, *of_chosen]
    memory = Lake(task.lake).folder("records", task.name) / "preflight"
    before = json.loads(memory.read_text("utf-8")) if memory.is_file() else {"passed": [], "recipe": None, "files": []}
    if set(now) <= set(before["passed"]):
        return
    log.info("checking the inputs of %s", task.name)
    if of_models not in before["passed"]:
        _try_models(task, models)
    for one in of_chosen.keys() - set(before["passed"]):
        imported.check(of_chosen[one], task)
    rows, facts = target.read_target(task)
    _check_judges(task, facts.labels)
    for quotas in task.quotas:
        names = rows.filter(pl.col("split") == "train")[quotas.by].drop_nulls().unique().sort()
        target.shares_of(quotas, names.to_list())
    width = None
    if brought:
        width = _check_vectors(rows.filter(pl.col("split") == "train"), "target.train", None)
    files = [readers.files(source) for source in task.candidates]
    if of_pool not in before["passed"]:
        only = readers.new_files(files, before["files"]) if before["recipe"] == of_recipe else None
        _check_pool(task, width, set(rows.filter(pl.col("split") != "train")["id"]), only)
    passed = [one for one in before["passed"] if one not in now][-_REMEMBERED:]
    found = {"passed": [*passed, *now], "recipe": of_recipe, "files": files}
    write_atomically(memory, json.dumps(found))


def _find_models(task: Task) -> dict[str, Path]:
    """The folder of each model that a task names and that is loaded, by field."""
    found: dict[str, Path] = {}
    if task.encoder.model not in WITHOUT_WEIGHTS:
        found["encoder.model"] = find_model(task.encoder.model, "encoder.model")
    if task.base_model.model != "small":
        found["base_model.model"] = folder = find_model(task.base_model.model, "base_model.model")
        longest = max(task.warmup.max_length, task.finetune.max_length)
        require_objective(folder, task.base_model.objective, longest)
    if task.toxicity:
        found["toxicity.classifier"] = find_model(task.toxicity.classifier, "toxicity.classifier")
    return found


def _models_fingerprint(task: Task, models: dict[str, Path]) -> str:
    """A hash of what a model's first step depends on; the numbers in the weights are not read for it."""
    files = {
        field: [
            [file_hash(p) for p in sorted(folder.iterdir()) if p.suffix in (".json", ".txt", ".model")],
            headers_hash(folder),
        ]
        for field, folder in models.items()
    }
    recipes = [
        [recipe.max_length, recipe.lora, *([recipe.packing] if recipe.packing != "joined" else [])]
        for recipe in (task.warmup, task.finetune)
    ]
    labelled = [task.target.label or task.target.train.label, task.target.is_of_pairs]
    encoder = [task.encoder.max_length, task.encoder.adapt]
    return fingerprint("models", version("transformers"), files, recipes, labelled, encoder, task.base_model.objective)


def _try_models(task: Task, models: dict[str, Path]) -> None:
    """Have a worker take one step of a small copy of each model: torch stays out of this process."""
    if not models:
        return
    with TemporaryDirectory(dir=Lake(task.lake).folder("work"), prefix="preflight-") as work:
        launch(TRY_MODELS, TryModelsSpec(task=task, models=models), Path(work))


def _check_packages(task: Task) -> None:
    """Refuse what needs an extra that is not installed."""
    embed, solve = task.launch.embed, task.launch.solve
    wanted = [
        ("warmup.lora", task.warmup.lora, "peft", "lora"),
        ("finetune.lora", task.finetune.lora, "peft", "lora"),
        ("launch.embed", embed and embed.ray, "ray", "ray"),
        ("launch.solve", solve and solve.ray, "ray", "ray"),
        *((field, place, "kubernetes", "kubernetes") for field, place in task.launch.pods().items()),
    ]
    for field, asked, package, extra in wanted:
        if asked and importlib.util.find_spec(package) is None:
            what = f"needs the package {package}, which is not installed"
            raise BadInput(
                field, what, f"Install the extra: pip install 'getmore-assets[{extra}]', or take {field} out"
            )


def _check_judges(task: Task, labels: list[str]) -> None:
    """Refuse labels without a word for zero-shot, prompts that cannot be read, a classifier without the label."""
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
    """Read every row of the pool; refuse a budget beyond what may be chosen (near-duplicates not yet taken out).

    Rows are cut and hashed only until the budget is filled, since the stage `raw_corpus` does it for all of them. With
    `only`, read the files that came to a pool that passed: what it allowed, a larger one does.
    """
    budget, count = task.selection.budget, _Count(task, evaluated)
    is_empty = True
    for number, source in enumerate(task.candidates):
        if source.path == PYTHON_DOCS:  # nobody's file: nothing in it can be refused but a name
            python_docs.distributions(source.include, source.exclude)
            return
        reading = pool.reading_of(source, task)
        for batch in readers.read(source, only[number] if only is not None else None, reading):
            if width is not None and batch.height:
                _check_vectors(batch, source.path, width)
            is_empty = is_empty and not batch.height
            if only is None and not count.fills(budget):
                count.add(pool.passages_of(batch, pool.longest_of(source, task)))
    if only is not None:
        return
    if is_empty:
        where = ", ".join(source.path for source in task.candidates)
        raise BadInput(where, "the candidate pool is empty", "Give sources that have rows")
    candidates.require_budget(budget, count.rows, count.tokens)


class _Count:
    """Distinct passages that may be chosen, and the tokens in them, as far as they were counted."""

    def __init__(self, task: Task, evaluated: set[str]) -> None:
        self.rows = self.tokens = 0
        self._task, self._seen = task, set(evaluated)

    def fills(self, budget: Budget) -> bool:
        """Whether a budget is filled."""
        return self.rows > 0 and self.rows >= (budget.rows or 0) and self.tokens >= (budget.tokens or 0)

    def add(self, passages: pl.DataFrame) -> None:
        """Count passages that were not counted yet."""
        for id_, tokens in passages.select("id", "n_tokens").iter_rows():
            if id_ not in self._seen:
                self._seen.add(id_)
                if not pool.is_held_out(id_, self._task):
                    self.rows, self.tokens = self.rows + 1, self.tokens + tokens


def _check_vectors(rows: pl.DataFrame, where: str, width: int | None) -> int:
    """The width of brought vectors, all equal, finite and not zero."""
    if "vector" not in rows.columns or not isinstance(rows["vector"].dtype, pl.List | pl.Array):
        raise BadInput(where, "the `vector` column holds no lists of numbers", "Write one list of floats a row")
    as_lists = rows.with_columns(pl.col("vector").cast(pl.List(pl.Float32)))
    widths = as_lists["vector"].list.len()
    expected = width or int(widths[0] or 0)
    wrong = widths.is_null() | (widths != expected)
    if wrong.any() or not expected:
        row = rows.filter(wrong)["origin"][0] if wrong.any() else where
        found = widths.filter(wrong)[0] if wrong.any() else 0
        raise BadInput(
            row, f"vector of width {found}, where the others have {expected}", "Encode all rows with one model"
        )
    matrix = vectors_of(as_lists)
    bad = ~np.isfinite(matrix).all(axis=1) | (np.abs(matrix).max(axis=1) == 0)
    if bad.any():
        row = rows["origin"][int(np.argmax(bad))]
        raise BadInput(row, "vector with NaN or infinity, or all zero", "Encode the row again, or leave it out")
    return expected


def require_writable(lake: Lake) -> None:
    """Make the lake's folder where it is missing, and refuse one that no table could be kept in.

    Raises:
        BadInput: It cannot be written to, Delta tables under its path could not be read back, or the store that it lies
            on ignores the conditions of writes.
    """
    if lake.mirror:
        odd = unreadable_in(Path("/", *lake.address.split("/")[3:]))
        if odd:
            what = f"has `{odd}` in its path, under which Delta tables cannot be read"
            raise BadInput(f"lake {lake.address}", what, "Set `lake` to a URL of plain letters, digits and - _ . /")
        lake.mirror.require_conditions()
    else:
        _require_writable(lake.root)


def _require_writable(lake: Path) -> None:
    odd = unreadable_in(lake)
    if odd:
        what = f"has `{odd}` in its path, under which Delta tables cannot be read"
        raise BadInput(f"lake {lake}", what, "Set `lake` to a path of plain letters, digits and - _ . /")
    try:
        lake.mkdir(parents=True, exist_ok=True)
        probe = unfinished(lake / "writable")
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        why = error.strerror or error
        raise BadInput(
            f"lake {lake}", f"cannot be written to ({why})", "Set `lake` to a folder you may write"
        ) from None
