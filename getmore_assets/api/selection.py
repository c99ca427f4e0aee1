"""Selecting rows for a target, and saying why.

Belongs here: `select`, `explain`, and what `select` returns. Does not: the work (`stages/`).
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
        task: What was selected, from what, and how.
        record: What the stage `selected_subset` left.
        statuses: Of each stage that was needed: materialized, cached or kept.
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
            row: The row's id, the first eight characters of it or more, or a piece of its text that no other has.

        Raises:
            BadInput: No row has that id or text, or more than one has.
        """
        return of_task(self.task, row)

    @cached_property
    def domains(self) -> pl.DataFrame:
        """How much of each domain was selected: domain, selected, candidates (rows), share (of the selection)."""
        counts = self.scores.group_by("domain").agg(pl.col("selected").sum(), pl.len().alias("candidates"))
        share = (pl.col("selected") / pl.col("selected").sum()).alias("share")
        return counts.with_columns(share).sort("selected", "domain", descending=[True, False])

    def report(self) -> str:
        """Return the selection in words: how much, of which domains, and how sure the solve is."""
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
        """What a notebook shows: the domains, and the first rows."""
        domains = self.domains.head(_SHOWN_DOMAINS)
        first = self.selected.head(_SHOWN_ROWS).select(
            "rank", pl.col("score").round(4), "domain", pl.col("text").str.slice(0, _SHOWN_TEXT)
        )
        head = escape(self.report().splitlines()[0])
        return f"<p>{head}</p>{_table(domains.with_columns(pl.col('share').round(3)))}{_table(first)}"


def _table(frame: pl.DataFrame) -> str:
    """A table whose cells are text and nothing else: what a corpus holds is not to be rendered."""
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

    What was made before in the same lake, by this function, by the command or by Dagster's assets, is reused.

    Args:
        candidates: The rows to choose from: a path, a frame of polars or pandas, a PyArrow table, a
            `datasets.Dataset`, a list of texts or of dicts; or the fields of a source, as a task file has them.
        target: Examples of what is wanted, of the same kinds. Never the rows that you test on.
        budget: How many rows; a fraction of the candidates, as a float; or `{"tokens": 100_000}`.
        selector: Which method chooses, as `got-d`, `got-d-rounds`, `knn`, `dsir`.
        text: The column that holds the text, of candidates and target.
        domain: The column of the candidates that names a row's domain.
        source: The column of the candidates that names a row's source.
        label: The column of the target that holds a label.
        validation: Chooses the best epoch; without it, a tenth of the target does.
        test: What is scored on; without it a tenth of the target. Candidates that overlap it are not selected.
        name: Of the target: results of one name replace each other.
        lake: The folder of all results.
        **settings: Any other field of the task file, as `encoder={"model": "minilm"}`.

    Returns:
        The selection, with `.selected`, `.scores`, `.explain(row)`, `.report()`, `.to_pandas()` and `.to_hf()`.

    Raises:
        BadInput: A source or a setting is refused; it says what to do.
        CheckFailedError: What was made does not hold what it must.
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
        selection: What `select` returned, a task, or a task file, of which the last selection counts.
        row: The row's id, the first eight characters of it or more, or a piece of its text that no other has.

    Raises:
        BadInput: Nothing has been selected, or no row has that id or text, or more than one has.
    """
    if isinstance(selection, Selection):
        return selection.explain(row)
    return of_task(selection if isinstance(selection, Task) else load_task(selection), row)
