"""Selection of rows for a target, and the reason why a row is selected or not.

Belongs here: `select`, `explain`, and the result of `select`. Does not: the work (`stages/`).
"""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from getmore_assets.api.html import table_html
from getmore_assets.api.tasks import Budget, Source, build_task
from getmore_assets.config import DEFAULT, Task
from getmore_assets.exports import rows
from getmore_assets.facts import SelectionFacts
from getmore_assets.records import Record
from getmore_assets.selection.explain import Explanation, of_task
from getmore_assets.stages.running import run
from getmore_assets.task_parsing import load_task

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_SHOWN_ROWS, _SHOWN_TEXT, _SHOWN_DOMAINS = 5, 160, 10


@dataclass(frozen=True)
class Selection:
    """The rows that were selected for a target.

    Attributes:
        task: The task of the selection.
        record: The materialization record of the stage `selected_subset`.
        statuses: Status of each stage that was needed: materialized, cached or kept.
    """

    task: Task
    record: Record
    statuses: dict[str, str]

    @cached_property
    def selected(self) -> pl.DataFrame:
        """The selected rows in order of rank: id, text, score, rank, domain, source."""
        return rows.selected(self.record)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """Every candidate in order of rank: id, score, rank, selected, domain, source, origin (file and row)."""
        return rows.candidates(self.record)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the selected rows as a pandas frame."""
        return self.selected.to_pandas()

    def to_hf(self) -> "datasets.Dataset":
        """Return the selected rows as a `datasets.Dataset`; needs the extra `datasets`."""
        from getmore_assets.corpus.hugging_face import datasets_package

        return datasets_package("to_hf").Dataset.from_polars(self.selected)

    def explain(self, row: str) -> Explanation:
        """Return why a row is selected or not.

        Args:
            row: The row's id, its first eight characters or more, or a piece of text that only this row has.

        Raises:
            BadInput: `row` matches no row or several rows.
        """
        return of_task(self.task, row)

    @cached_property
    def domains(self) -> pl.DataFrame:
        """The number of rows of each domain: domain, selected, candidates, share (of the selection)."""
        counts = self.scores.group_by("domain").agg(pl.col("selected").sum(), pl.len().alias("candidates"))
        share = (pl.col("selected") / pl.col("selected").sum()).alias("share")
        return counts.with_columns(share).sort("selected", "domain", descending=[True, False])

    def report(self) -> str:
        """Return a summary as text: the size of the selection, the largest domains, and the version of the pool."""
        facts = SelectionFacts.of(self.record)
        lines = [
            f"{self.task.name}: {self.record.rows:,} of {facts.candidates:,} candidates selected by "
            f"{self.task.selection.called}, {facts.n_tokens:,} words; {facts.excluded:,} rows excluded",
            *(
                f"  {domain}: {selected:,} of {candidates:,} rows, {share:.1%} of the selection"
                for domain, selected, candidates, share in self.domains.head(_SHOWN_DOMAINS).rows()
            ),
            f"selection {facts.selection_hash[:12]}, from {self.record.lineage['table.raw_corpus']}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Selection of {self.record.rows} rows for {self.task.name}>"

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the domains, and the first rows."""
        domains = self.domains.head(_SHOWN_DOMAINS).with_columns(pl.col("share").round(3))
        first = self.selected.head(_SHOWN_ROWS).select(
            "rank", pl.col("score").round(4), "domain", pl.col("text").str.slice(0, _SHOWN_TEXT)
        )
        tables = [table_html(frame.columns, frame.iter_rows()) for frame in (domains, first)]
        return f"<p>{escape(self.report().splitlines()[0])}</p>{''.join(tables)}"


def select(
    candidates: Source,
    target: Source,
    *,
    budget: Budget | None = None,
    selector: str = DEFAULT,
    text: str = "text",
    domain: str | None = None,
    source: str | None = None,
    label: str | None = None,
    validation: Source | None = None,
    test: Source | None = None,
    name: str = "python",
    lake: str | Path = ".getmore",
    **settings: Any,
) -> Selection:
    """Select the candidate rows to warm a model up on for a target.

    The function uses cached results of earlier runs in the same lake, from Python, the command line or Dagster.

    Args:
        candidates: The rows to choose from: a path, a frame of polars or pandas, a PyArrow table, a
            `datasets.Dataset`, a list of texts or of dicts; or the fields of a source, as a task file has them.
        target: Examples of the target, in the same forms as `candidates`; never the rows that you test on.
        budget: A number of rows, a fraction of the candidates as a float, or `{"tokens": 100_000}`.
        selector: The method of selection, such as `got-d-rounds`, `got-d`, `knn`, `dsir`.
        text: The column that holds the text, in candidates and target.
        domain: The column of the candidates that names a row's domain.
        source: The column of the candidates that names a row's source.
        label: The column of the target that holds a row's label.
        validation: Rows for early stopping; without them a tenth of the target is held out.
        test: Rows for the final evaluation; without them a tenth of the target is held out. Candidates that overlap
            them are not selected.
        name: Name of the target: a new result replaces the last result with this name.
        lake: The folder of all results, or its URL on a store, such as `s3://bucket/prefix`.
        **settings: Any other field of the task file, such as `encoder={"model": "minilm"}`.

    Returns:
        The selection, with `.selected`, `.scores`, `.explain(row)`, `.report()`, `.to_pandas()` and `.to_hf()`.

    Raises:
        BadInput: A source or a setting is refused; the message says what to do.
        CheckFailedError: A blocking check of a stage failed.
    """
    task = build_task(
        candidates,
        target,
        name=name,
        lake=lake,
        text=text,
        columns={"domain": domain, "source": source},
        label=label,
        splits={"validation": validation, "test": test},
        budget=budget,
        selector=selector,
        settings=settings,
    )
    result = run(task, "selected_subset")
    return Selection(task, result.records["selected_subset"], result.statuses)


def explain(selection: Selection | Task | str | Path, row: str) -> Explanation:
    """Return why a row is selected or not.

    Args:
        selection: A result of `select`; or a task or task file, for its last selection.
        row: The row's id, its first eight characters or more, or a piece of text that only this row has.

    Raises:
        BadInput: Nothing has been selected, or `row` matches no row or several rows.
    """
    if isinstance(selection, Selection):
        return selection.explain(row)
    return of_task(selection if isinstance(selection, Task) else load_task(selection), row)
