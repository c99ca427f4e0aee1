"""Where text comes from: sources, the target's splits, and how the pool is cleaned.

Belongs here: fields, their defaults and their limits. Does not: opening files (`preflight.py`).
"""

import operator
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PYTHON_DOCS = "python-docs"
HUB_PREFIX = "hf://"
#: The prefix of the path of an asset whose materialization has not been looked up.
ASSET_PREFIX = "asset:"
#: The field with the folder that a path is relative to: set by `task_files`, never in a task file.
BASE = "base"
#: A column's name in a template of columns.
TEMPLATE_COLUMN = re.compile(r"\{([^{}]+)\}")


class Section(BaseModel):
    """A part of the task file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


def _column_or_template(text: str) -> str:
    if TEMPLATE_COLUMN.search(text) and set("{}") & set(TEMPLATE_COLUMN.sub("", text)):
        raise ValueError("the template has a brace outside of a column: write each column as {name}")
    return text


Text = Annotated[str, AfterValidator(_column_or_template)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
_TEXT = (
    "the column that holds the text, or messages; a template of columns, "
    '"{instruction}\\n{input}\\n{output}"; two columns, of pairs of sentences'
)


class Rows(Section):
    """Rows of text, and their location."""

    path: str = Field(
        min_length=1,
        description="a Parquet, JSONL (.gz, .zst), CSV, TSV or text file, a folder or glob of them, a Delta table, "
        f"a saved Hugging Face data set, `{HUB_PREFIX}owner/name`, or `{PYTHON_DOCS}`; files may lie on s3://, gs://, "
        "az:// or https://; relative to the folder of the task file",
    )
    asset: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_./-]+$",
        exclude_if=lambda asset: asset is None,  # as `quoting`
        description="in place of `path`: an asset of your Dagster project, by its key, as `raw/my_docs`; path and "
        "version are those of its latest materialization",
    )
    base: str | None = Field(None, exclude_if=lambda base: base is None, repr=False)
    format: Literal["auto", "parquet", "jsonl", "csv", "tsv", "text", "delta", "dataset"] = "auto"
    text: Text | Pair = Field("text", description=_TEXT)
    version: int | None = Field(None, ge=0, description="the version of a Delta table; its newest without it")
    split: str = Field("train", description="the split of a Hugging Face data set")
    config: str | None = Field(None, description="the configuration of a data set on the hub, as GLUE's `mrpc`")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        None,
        exclude_if=lambda delimiter: delimiter is None,  # as `quoting`
        description="of CSV and TSV: the separator of fields; without it a comma or tab, or as the header shows",
    )
    quoting: Literal["standard", "none"] | None = Field(
        None,
        exclude_if=lambda quoting: quoting is None,  # a source that does not say keeps the cache key of before
        description="of CSV and TSV: whether quotes enclose fields (standard) or are part of the text (none); "
        "without it standard, and a file that reads otherwise without quoting is refused",
    )
    bad_rows: Literal["error", "skip"] = Field("error", description="null, blank or undecodable texts: refuse or skip")

    @model_validator(mode="before")
    @classmethod
    def _asset_stands_for_a_path(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("asset") and "path" not in given:
            return {**given, "path": f"{ASSET_PREFIX}{given['asset']}"}
        return given

    @property
    def place(self) -> str:
        """The path to open: joined to the folder that it is relative to."""
        return str(Path(self.base, self.path)) if self.base else self.path

    @property
    def texts(self) -> list[str]:
        """The columns that hold the text."""
        if isinstance(self.text, list):
            return self.text
        return list(dict.fromkeys(TEMPLATE_COLUMN.findall(self.text))) or [self.text]


class Source(Rows):
    """A source of rows, with the names of their columns."""

    source: str | None = Field(None, description="the column that names a row's source; the file's name without it")
    domain: str | None = Field(
        None,
        description="the column that names a row's domain; without it the file's name; for several text files, "
        "the name of the folder that each is in",
    )
    label: str | None = Field(None, description="the column that holds a row's label")
    vector: str | None = Field(None, description="the column that holds a row's vector, for `encoder.model: brought`")
    include: list[str] = Field([], description=f"of `{PYTHON_DOCS}`: only these distributions")
    exclude: list[str] = Field([], description=f"of `{PYTHON_DOCS}`: all distributions but these")
    sample: int | None = Field(None, ge=1, description="at most this many rows, those with the smallest content hash")
    whole_rows: bool = Field(
        False,
        exclude_if=operator.not_,  # a source that does not ask for it keeps the cache key of before
        description="keep each row whole: never cut, and exported as it stands in the source",
    )
    longest: int | None = Field(
        None,
        ge=1,
        exclude_if=lambda longest: longest is None,
        description="of whole rows: the longest text, in characters; a longer row is bad, see `bad_rows`",
    )

    @model_validator(mode="after")
    def _whole_rows_are_of_files(self) -> Self:
        if self.whole_rows and self.path == PYTHON_DOCS:
            raise ValueError(f"whole_rows is for rows of files, tables and data sets, not for {PYTHON_DOCS}")
        if self.longest is not None and not self.whole_rows:
            raise ValueError("longest is for whole rows: set whole_rows, or corpus.passage_chars for rows that are cut")
        return self


def _source_from_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


AnySource = Annotated[Source, BeforeValidator(_source_from_path)]


#: The fields of a target that hold sources.
SPLITS = ("train", "validation", "test", "negative")


class Target(Section):
    """The examples of the target. Without `validation` or `test`, a tenth of train is held out for each."""

    train: AnySource = Field(description="what is fine-tuned on and selected for; never the split you test on")
    validation: AnySource | None = Field(None, description="chooses the best epoch; without it, a tenth of train does")
    test: AnySource | None = Field(None, description="evaluated once, at the end; without it, a tenth of train is")
    negative: AnySource | None = Field(None, description="examples that `contrast` moves away from")
    text: Text | Pair = Field("text", description="as in a source; for every split")
    label: str | None = Field(None, description="the column that holds the label; without it language modelling")

    @property
    def is_of_pairs(self) -> bool:
        """Whether a row has two texts, which a classifier reads as a pair."""
        source = self.source("train")
        return source is not None and isinstance(source.text, list)

    def source(self, split: str) -> Source | None:
        """Return the source of a split, with the target's column names filled in; `negative` has no labels."""
        found: Source | None = getattr(self, split)
        if found is None:
            return None
        given = found.model_fields_set
        return found.model_copy(
            update={
                "text": found.text if "text" in given else self.text,
                "label": found.label if "label" in given or split == "negative" else self.label,
            }
        )


class Corpus(Section):
    """How the pool is cleaned and cut."""

    passage_chars: int = Field(1000, ge=50, description="the longest passage, in characters")
    near_duplicates: float | None = Field(0.9, gt=0, le=1, description="Jaccard similarity from which rows are copies")
    held_out: float = Field(0.01, ge=0, le=0.5, description="share of the pool kept as general text, never selected")
