"""The schema of a task file: pool, target, encoder, models, selection, training.

Belongs here: fields, their defaults and their limits. Does not: reading a task file (`task_files.py`), or opening the
files it names (`preflight.py`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
    version: int | None = Field(None, ge=0, description="the version of a Delta table; its newest without it")
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


class Triage(Section):
    """How the pool's domains are measured against the target before all of it is encoded."""

    sample: int = Field(2000, ge=1, description="rows of each domain that are encoded for it (the paper: 10,000)")
    epsilon: float = Field(0.05, gt=0, description="entropic regularisation, times the mean cost")
    keep: int | None = Field(None, ge=1, description="the nearest domains that may be chosen from; all without it")


class Transport(Section):
    """The optimal-transport problem between pool and target."""

    solver: Literal["semi-dual", "published"] = Field(
        "semi-dual", description="published: the authors' loop, for which they set epsilon 0.1, tolerance 0.1"
    )
    epsilon: float = Field(0.05, gt=0, description="entropic regularisation")
    epsilon_is: Literal["relative", "absolute"] = Field("relative", description="relative: times the mean cost")
    tolerance: float = Field(1e-3, gt=0, lt=2, description="L1 error of the target marginal at which to stop")
    max_passes: int = Field(300, ge=1, description="passes over the whole pool before giving up")
    momentum: float = Field(1.3, gt=0, lt=2, description="over-relaxation of the published solver; 1 is none")
    target_relaxation: float | None = Field(
        None, gt=0, description="how much the plan may leave out target rows it cannot reach (POT's reg_m, in the unit "
        "of epsilon): smaller leaves out more; none without it"
    )  # fmt: skip
    memory_mb: int = Field(1024, ge=1, description="limit of the solve's working memory")

    @model_validator(mode="after")
    def _published_has_no_relaxation(self) -> "Transport":
        if self.solver == "published" and self.target_relaxation is not None:
            raise ValueError("target_relaxation is not for the published solver")
        return self


class Drift(Section):
    """How much change is let pass; by default none: another target selects anew, another selection trains anew."""

    rows: float | None = Field(None, ge=0, le=1, description="share of the target's weight on rows that came or went")
    distance: float | None = Field(
        None, ge=0, description="transport distance between the target now and the one selected for (debiased; squared "
        "distance of unit vectors)"
    )  # fmt: skip
    overlap: float = Field(
        1.0, gt=0, le=1, description="Jaccard similarity with the selection that a model was warmed up on, from which "
        "on that model stands"
    )  # fmt: skip

    def lets_pass(self, rows: float, distance: float | None) -> bool:
        """Whether the earlier solve stands for a target that changed this much; what is not set is not looked at."""
        if rows == 0:
            return True
        if self.rows is None and self.distance is None:
            return False
        near = self.distance is None or (distance is not None and distance <= self.distance)
        return near and (self.rows is None or rows <= self.rows)


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
    triage: Triage = Triage()
    transport: Transport = Transport()
    drift: Drift = Drift()
    approval: bool = Field(False, description="whether someone must approve the selection before a model is warmed up")
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
