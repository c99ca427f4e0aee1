"""Sources of text, the target's splits, and the cleaning of the pool.

Belongs here: fields with their defaults and limits. Does not: opening files (`preflight.py`).
"""

import operator
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PYTHON_DOCS = "python-docs"
HUB_PREFIX = "hf://"
#: Prefix of the path of an asset until its materialization is looked up.
ASSET_PREFIX = "asset:"
#: The field with the folder that a path is relative to. `task_paths` sets it; a task file must not.
BASE = "base"
#: A column in a template of columns.
TEMPLATE_COLUMN = re.compile(r"\{([^{}]+)\}")


class Section(BaseModel):
    """A part of the task file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


def _column_or_template(text: str) -> str:
    if TEMPLATE_COLUMN.search(text) and set("{}") & set(TEMPLATE_COLUMN.sub("", text)):
        raise ValueError("the template has a brace that belongs to no column: write each column as {name}")
    return text


Text = Annotated[str, AfterValidator(_column_or_template)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
_TEXT = (
    "the column with the text or the messages; or a template of columns, "
    '"{instruction}\\n{input}\\n{output}"; or two columns, for pairs of sentences'
)


class Rows(Section):
    """Rows of text and their location."""

    path: str = Field(
        min_length=1,
        description="a Parquet, JSONL (.gz, .zst), CSV, TSV or text file, a folder or glob of them, a Delta table, "
        f"a saved Hugging Face data set, `{HUB_PREFIX}owner/name`, or `{PYTHON_DOCS}`; files may be on s3://, gs://, "
        "az:// or https://; relative to the folder of the task file",
    )
    asset: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_./-]+$",
        exclude_if=lambda asset: asset is None,  # see `quoting`
        description="in place of `path`: the key of an asset in your Dagster project, such as `raw/my_docs`; path and "
        "version come from the asset's latest materialization",
    )
    base: str | None = Field(None, exclude_if=lambda base: base is None, repr=False)
    format: Literal["auto", "parquet", "jsonl", "csv", "tsv", "text", "delta", "dataset"] = "auto"
    text: Text | Pair = Field("text", description=_TEXT)
    version: int | None = Field(None, ge=0, description="the version of a Delta table; without it, the newest")
    split: str = Field("train", description="the split of a Hugging Face data set")
    config: str | None = Field(None, description="the configuration of a data set on the hub, such as `mrpc` of GLUE")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        None,
        exclude_if=lambda delimiter: delimiter is None,  # see `quoting`
        description="for CSV and TSV: the separator of fields; without it, comma or tab, or read from the header",
    )
    quoting: Literal["standard", "none"] | None = Field(
        None,
        exclude_if=lambda quoting: quoting is None,  # at its default, the field must not change earlier cache keys
        description="for CSV and TSV: quotes enclose fields (standard) or are part of the text (none); without it, "
        "standard, but a file that would read differently with none is refused",
    )
    bad_rows: Literal["error", "skip"] = Field("error", description="null, blank or undecodable texts: refuse or skip")

    @model_validator(mode="before")
    @classmethod
    def _asset_as_path(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("asset") and "path" not in fields:
            return {**fields, "path": f"{ASSET_PREFIX}{fields['asset']}"}
        return fields

    @property
    def place(self) -> str:
        """The path to open, with the folder that it is relative to."""
        return str(Path(self.base, self.path)) if self.base else self.path

    @property
    def texts(self) -> list[str]:
        """The columns of the text."""
        if isinstance(self.text, list):
            return self.text
        return list(dict.fromkeys(TEMPLATE_COLUMN.findall(self.text))) or [self.text]


class Source(Rows):
    """A source of rows, and the names of the columns."""

    source: str | None = Field(None, description="the column with a row's source; without it, the file's name")
    domain: str | None = Field(
        None,
        description="the column with a row's domain; without it, the file's name, or for several text files the name "
        "of the file's folder",
    )
    label: str | None = Field(None, description="the column with a row's label")
    vector: str | None = Field(None, description="the column with a row's vector, for `encoder.model: brought`")
    include: list[str] = Field([], description=f"for `{PYTHON_DOCS}`: only these distributions")
    exclude: list[str] = Field([], description=f"for `{PYTHON_DOCS}`: all distributions but these")
    sample: int | None = Field(None, ge=1, description="at most this many rows, those with the smallest content hash")
    whole_rows: bool = Field(
        False,
        exclude_if=operator.not_,  # see `quoting`
        description="keep each row whole: never split into passages, and exported unchanged",
    )
    longest: int | None = Field(
        None,
        ge=1,
        exclude_if=lambda longest: longest is None,  # see `quoting`
        description="for whole rows: the longest text, in characters; a longer row is bad, see `bad_rows`",
    )

    @model_validator(mode="after")
    def _whole_rows_fit_the_source(self) -> Self:
        if self.whole_rows and self.path == PYTHON_DOCS:
            raise ValueError(f"whole_rows is for rows of files, tables and data sets, not for {PYTHON_DOCS}")
        if self.longest is not None and not self.whole_rows:
            raise ValueError("longest is for whole rows: set whole_rows, or corpus.passage_chars for passages")
        return self


def _source_from_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


AnySource = Annotated[Source, BeforeValidator(_source_from_path)]


#: The fields of a target that hold sources.
SPLITS = ("train", "validation", "test", "negative")


class Target(Section):
    """The examples of the target. Without `validation` or `test`, a tenth of train is held out for each."""

    train: AnySource = Field(description="the rows to select for and to fine-tune on; never the split you test on")
    validation: AnySource | None = Field(None, description="for choosing the best epoch; without it, a tenth of train")
    test: AnySource | None = Field(None, description="for one evaluation at the end; without it, a tenth of train")
    negative: AnySource | None = Field(None, description="examples that `contrast` moves away from")
    text: Text | Pair = Field("text", description="as in a source; for every split")
    label: str | None = Field(None, description="the column with a row's label; without it, language modelling")

    @property
    def is_of_pairs(self) -> bool:
        """Whether a row is a pair of texts for a classifier."""
        source = self.source("train")
        return source is not None and isinstance(source.text, list)

    def source(self, split: str) -> Source | None:
        """Return the source of a split, with the target's column names filled in; `negative` has no labels."""
        source: Source | None = getattr(self, split)
        if source is None:
            return None
        own = source.model_fields_set
        return source.model_copy(
            update={
                "text": source.text if "text" in own else self.text,
                "label": source.label if "label" in own or split == "negative" else self.label,
            }
        )


class Corpus(Section):
    """The cleaning of the pool, and its split into passages."""

    passage_chars: int = Field(1000, ge=50, description="the longest passage, in characters")
    near_duplicates: float | None = Field(0.9, gt=0, le=1, description="Jaccard similarity from which rows are copies")
    held_out: float = Field(0.01, ge=0, le=0.5, description="share of the pool kept as general text, never selected")
