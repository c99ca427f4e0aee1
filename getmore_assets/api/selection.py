"""Selecting rows for a target, and explaining the decision about a row.

Belongs here: `select`, `explain`, and the result of `select`. Does not: the work (`stages/`).
"""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from getmore_assets.api.tasks import Budget, Source, build_task
from getmore_assets.config import Task
from getmore_assets.exports import rows
from getmore_assets.facts import SelectionFacts
from getmore_assets.records import Record
from getmore_assets.selection.explain import Explanation, of_task
from getmore_assets.stages.running import run
from getmore_assets.task_files import load_task

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
        """Every candidate in order of rank: id, score, rank, selected, domain, source, origin (its file and row)."""
        return rows.candidates(self.record)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the selected rows as a frame of pandas."""
        return self.selected.to_pandas()

    def to_hf(self) -> "datasets.Dataset":
        """Return the selected rows as a data set of `datasets`, with the extra `datasets`."""
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
        """Rows of each domain: domain, selected, candidates, share (of the selection)."""
        counts = self.scores.group_by("domain").agg(pl.col("selected").sum(), pl.len().alias("candidates"))
        share = (pl.col("selected") / pl.col("selected").sum()).alias("share")
        return counts.with_columns(share).sort("selected", "domain", descending=[True, False])

    def report(self) -> str:
        """Return a summary of the selection as text: its size, its domains, and the convergence of the solve."""
        facts, solved = SelectionFacts.of(self.record), self.record.lineage
        lines = [
            f"{self.task.name}: {self.record.rows:,} of {facts.candidates:,} candidates selected by "
            f"{self.task.selection.called}, {facts.n_tokens:,} words; {facts.excluded:,} rows excluded",
            *(
                f"  {domain}: {picked:,} of {there:,} rows, {share:.1%} of the selection"
                for domain, picked, there, share in self.domains.head(_SHOWN_DOMAINS).rows()
            ),
            f"selection {facts.selection_hash[:12]}, from {solved['table.raw_corpus']}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Selection of {self.record.rows} rows for {self.task.name}>"

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the domains, and the first rows."""
        domains = self.domains.head(_SHOWN_DOMAINS)
        first = self.selected.head(_SHOWN_ROWS).select(
            "rank", pl.col("score").round(4), "domain", pl.col("text").str.slice(0, _SHOWN_TEXT)
        )
        head = escape(self.report().splitlines()[0])
        return f"<p>{head}</p>{_table(domains.with_columns(pl.col('share').round(3)))}{_table(first)}"


def _table(frame: pl.DataFrame) -> str:
    """Return an HTML table with escaped cells: a notebook must not render HTML of a corpus."""
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in frame.iter_rows())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def select(
    candidates: Source,
    target: Source,
    *,
    budget: Budget | None = None,
    selector: str = "got-d",
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
    """Select, from many candidates, the rows to warm a model up on for a target.

    Results of earlier runs in the same lake, by this function, the command or Dagster's assets, are cached.

    Args:
        candidates: The rows to choose from: a path, a frame of polars or pandas, a PyArrow table, a
            `datasets.Dataset`, a list of texts or of dicts; or the fields of a source, as a task file has them.
        target: Examples of the target, of the same kinds. Never the rows that you test on.
        budget: A number of rows, a fraction of the candidates as a float, or `{"tokens": 100_000}`.
        selector: The method of selection, as `got-d`, `got-d-rounds`, `knn`, `dsir`.
        text: The column that holds the text, in candidates and target.
        domain: The column of the candidates that names a row's domain.
        source: The column of the candidates that names a row's source.
        label: The column of the target that holds a label.
        validation: Rows for early stopping; without them a tenth of the target is held out.
        test: Rows for the final evaluation; without them a tenth of the target is held out. Candidates that overlap
            them are not selected.
        name: Name of the target: a new result replaces the last one of the same name.
        lake: The folder of all results, or its URL on a store, as `s3://bucket/prefix`.
        **settings: Any other field of the task file, as `encoder={"model": "minilm"}`.

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
    ran = run(task, "selected_subset")
    return Selection(task, ran.records["selected_subset"], ran.statuses)


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
