"""The schema of a task file: pool, target, encoder, models, selection, training.

Belongs here: fields, their defaults and their limits, and loading with overrides. Does not: anything that opens the
files a task names (`preflight.py`), or that uses a value.
"""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from getmore_assets.errors import BadInput

PYTHON_DOCS = "python-docs"
HUB_PREFIX = "hf://"
LEXICAL = "lexical"
BROUGHT = "brought"


#: auto is bfloat16 where the device multiplies in it, else float32.
DType = Literal["auto", "float32", "bfloat16"]


class Section(BaseModel):
    """A part of the task file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """Where rows come from, and under which names their fields lie."""

    path: str = Field(
        min_length=1,
        description="a Parquet, JSONL (.gz, .zst), CSV, TSV or text file, a folder or glob of them, a Delta table, "
        f"a saved Hugging Face data set, `{HUB_PREFIX}owner/name`, or `{PYTHON_DOCS}`",
    )
    format: Literal["auto", "parquet", "jsonl", "csv", "tsv", "text", "delta", "dataset"] = "auto"
    text: str = Field("text", description="the column that holds the text")
    source: str | None = Field(None, description="the column that names a row's source; the file's name without it")
    domain: str | None = Field(None, description="the column that names a row's domain; the file's name without it")
    label: str | None = Field(None, description="the column that holds a row's label")
    vector: str | None = Field(None, description="the column that holds a row's vector, for `encoder.model: brought`")
    split: str = Field("train", description="the split of a Hugging Face data set")
    include: list[str] = Field([], description=f"of `{PYTHON_DOCS}`: only these distributions")
    exclude: list[str] = Field([], description=f"of `{PYTHON_DOCS}`: all distributions but these")
    sample: int | None = Field(None, ge=1, description="at most this many rows, those with the smallest content hash")
    bad_rows: Literal["error", "skip"] = Field("error", description="null, blank or undecodable texts: refuse or skip")


def _source_from_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


AnySource = Annotated[Source, BeforeValidator(_source_from_path)]


class Target(Section):
    """The examples of what is wanted. Without `validation` or `test`, a tenth of train is held out for each."""

    train: AnySource
    validation: AnySource | None = None
    test: AnySource | None = None
    text: str = "text"
    label: str | None = None

    def source(self, split: str) -> Source | None:
        """The source of a split, with the target's own field names filled in."""
        found: Source | None = getattr(self, split)
        if found is None:
            return None
        given = found.model_fields_set
        return found.model_copy(
            update={
                "text": found.text if "text" in given else self.text,
                "label": found.label if "label" in given else self.label,
            }
        )


class Corpus(Section):
    """How the pool is cleaned and cut."""

    passage_chars: int = Field(1000, ge=50, description="the longest passage, in characters")
    near_duplicates: float | None = Field(0.9, gt=0, le=1, description="Jaccard similarity from which rows are copies")
    held_out: float = Field(0.01, ge=0, le=0.5, description="share of the pool kept as general text, never selected")


class Encoder(Section):
    """How a text becomes a vector."""

    model: str = Field("lexical", description="minilm | lexical | brought | a hub id | a folder")
    max_length: int = Field(256, ge=8, description="tokens")
    batch_tokens: int = Field(8192, ge=64, description="tokens in a batch, padding included")
    dimensions: int = Field(256, ge=2, description="width of the lexical encoder")
    dtype: DType = "auto"


class Small(Section):
    """The shape and training of the model that `base_model.model: small` makes from the pool."""

    layers: int = Field(3, ge=1)
    width: int = Field(192, ge=16)
    heads: int = Field(4, ge=1)
    vocabulary: int = Field(4096, ge=300)
    rows: int = Field(8000, ge=10, description="rows of the pool it is trained on")
    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(16, ge=1)


class Head(Section):
    """How a language-modelling head that a checkpoint lacks is trained, with the body frozen."""

    rows: int = Field(4000, ge=1)
    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(5e-3, gt=0)
    batch_size: int = Field(32, ge=1)


class BaseModelChoice(Section):
    """The model before."""

    model: str = Field("small", description="minilm | small | a hub id | a folder")
    objective: Literal["causal", "masked"] = "causal"
    small: Small = Small()
    head: Head = Head()


class Budget(Section):
    """How much may be selected: exactly one of rows, tokens (words and punctuation marks) and fraction of the pool."""

    rows: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    fraction: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Budget":
        if sum(value is not None for value in (self.rows, self.tokens, self.fraction)) != 1:
            raise ValueError("give exactly one of rows, tokens and fraction")
        return self


class Selection(Section):
    """Which rows, and how many."""

    selector: Literal["got-d", "random"] = "got-d"
    budget: Budget = Budget(fraction=0.05)
    seed: int = 0


class Transport(Section):
    """The optimal-transport problem between pool and target."""

    epsilon: float = Field(0.05, gt=0, description="entropic regularisation")
    epsilon_is: Literal["relative", "absolute"] = Field("relative", description="relative: times the mean cost")
    tolerance: float = Field(1e-3, gt=0, lt=2, description="L1 error of the target marginal at which to stop")
    max_passes: int = Field(300, ge=1, description="passes over the whole pool before giving up")
    tile_mb: int = Field(64, ge=1, description="memory of one tile of the cost matrix")


class Training(Section):
    """A training recipe, with the Trainer's names."""

    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    batch_size: int = Field(32, ge=1)
    max_length: int = Field(128, ge=8, description="tokens")
    weight_decay: float = Field(0.01, ge=0)
    warmup_ratio: float = Field(0.0, ge=0, le=1, description="share of the steps in which the learning rate rises")
    dtype: DType = Field("auto", description="of the products in training; weights and evaluation stay float32")


class FineTuning(Training):
    """The recipe on the target's train split."""

    epochs: float = Field(3.0, gt=0)
    learning_rate: float = Field(2e-4, gt=0)
    patience: int | None = Field(1, ge=1, description="epochs without a better validation loss before stopping")


class Task(Section):
    """One target and what to do with it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")
    lake: str = ".getmore"
    candidates: list[AnySource] = Field([Source(path=PYTHON_DOCS)], min_length=1)
    target: Target
    general: AnySource | None = Field(
        None, description="general text to measure forgetting on, instead of held-out rows"
    )
    corpus: Corpus = Corpus()
    encoder: Encoder = Encoder()
    base_model: BaseModelChoice = BaseModelChoice()
    selection: Selection = Selection()
    transport: Transport = Transport()
    warmup: Training = Training()
    finetune: FineTuning = FineTuning()
    compare: list[Literal["none", "random"]] = ["none", "random"]
    seeds: int = Field(3, ge=1, le=100)

    @model_validator(mode="after")
    def _vectors_are_whole(self) -> "Task":
        wanted = self.encoder.model == BROUGHT
        splits = [self.target.source(split) for split in ("train", "validation", "test")]
        for source in [*self.candidates, *(s for s in splits if s)]:
            if wanted and source.vector is None:
                raise ValueError(f"encoder.model is `{BROUGHT}`, so {source.path} must name its `vector` column")
        return self


def load_task(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Task:
    """Read a task file and apply `key.sub=value` overrides.

    Raises:
        BadInput: The file is missing, is not YAML, or a field of it is unknown or has a wrong value.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput(str(path), "there is no such task file", "Give the path of a YAML task file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"not valid YAML ({' '.join(str(error).split())})", "Correct the file") from None
    if not isinstance(raw, dict):
        raise BadInput(str(path), "not a mapping of fields", "See tasks/demo.yaml for the shape of a task file")
    for override in overrides:
        _override(raw, override)
    try:
        return Task.model_validate(raw)
    except ValidationError as error:
        raise BadInput(str(path), "; ".join(_explain(e) for e in error.errors()), "Correct the task file") from None


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise BadInput(override, "not an override", "Write key=value, for example selection.budget.rows=500")
    *parents, last = key.split(".")
    node: Any = raw
    try:
        for parent in parents:
            at = int(parent) if isinstance(node, list) else parent
            child = node.setdefault(at, {}) if isinstance(node, dict) else node[at]
            if isinstance(child, str) and at != "name":  # a source that is given by its path alone
                child = node[at] = {"path": child}
            node = child
        node[int(last) if isinstance(node, list) else last] = yaml.safe_load(value)
    except (TypeError, ValueError, IndexError):
        raise BadInput(override, "there is no such field to change", "Name a field as the task file does") from None
    except yaml.YAMLError:
        raise BadInput(override, "the value is not valid YAML", "Quote it") from None


def _explain(error: Any) -> str:
    """One pydantic error as `field: what is wrong; what is accepted`."""
    where = ".".join(str(part) for part in error["loc"]) or "task"
    if error["type"] == "extra_forbidden":
        accepted = _fields_at(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), accepted, 1)
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        return f"{where}: unknown key{hint}; accepted here: {', '.join(accepted)}"
    if error["type"] == "missing":
        return f"{where}: missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]} (got {error['input']!r:.80})"


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    """The field names a section accepts."""
    model: Any = Task
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(
            (
                t
                for t in (annotation, *getattr(annotation, "__args__", ()))
                if isinstance(t, type) and issubclass(t, Section)
            ),
            Source,
        )
    return list(model.model_fields)


def tasks_folder() -> Path:
    """Where task files lie: `GETMORE_TASKS`, or `tasks/` under the working directory."""
    return Path(os.environ.get("GETMORE_TASKS", "tasks"))


def find_task_files(folder: Path) -> dict[str, Path]:
    """Task names and files under a folder. A file that does not load is left out: running it says why."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[load_task(path).name] = path
        except BadInput:
            continue
    return found
