"""Comparison of selectors by the models that are trained on their selections.

Belongs here: `compare` and its result. Does not: the work (`stages/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.api.html import table_html
from getmore_assets.api.selection import Selection
from getmore_assets.api.tasks import Budget, Source, build_task
from getmore_assets.config import DEFAULT, Task
from getmore_assets.records import Record
from getmore_assets.reporting import comparison
from getmore_assets.stages.running import run


@dataclass(frozen=True)
class Comparison:
    """A comparison of selectors at the same number of tokens and the same recipe.

    Attributes:
        task: The task of the comparison.
        selection: The selection of the chosen selector.
        records: The materialization record of each stage, by name.
    """

    task: Task
    selection: Selection
    records: dict[str, Record]

    @property
    def record(self) -> Record:
        """The materialization record of the stage `scorecard`."""
        return self.records["scorecard"]

    @cached_property
    def scorecard(self) -> pl.DataFrame:
        """One row per selector and seed: tokens, every metric, and seconds."""
        rows = self.record.table_ref().of_target(self.task.name)
        return rows.drop("target").collect()

    @property
    def verdict(self) -> list[str]:
        """Whether the warm-up was worth it, in sentences."""
        return comparison.read(self.record).verdict

    @property
    def models(self) -> dict[str, Path]:
        """The folders of `warmed_model` and `finetuned_model`, which Transformers loads."""
        return {name: Path(self.records[name].folders["model"]) for name in ("warmed_model", "finetuned_model")}

    def report(self) -> Path:
        """Return the report: one HTML page that needs no network."""
        return Path(self.record.folders["report"])

    def __repr__(self) -> str:
        return f"<Comparison for {self.task.name}: {comparison.read(self.record).headline}>"

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the verdict, and every table of the scorecard."""
        scorecard = comparison.read(self.record)
        parts = [f"<p>{escape(line)}</p>" for line in [scorecard.headline, *scorecard.verdict]]
        for table in scorecard.tables:
            columns = [column.name for column in table.head]
            parts.append(f"<p><b>{escape(table.title)}</b></p>{table_html(columns, table.rows)}")
        return "".join(parts)


def compare(
    candidates: Source,
    target: Source,
    *,
    selectors: Sequence[str] = ("none", "random"),
    seeds: int = 3,
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
) -> Comparison:
    """Train a model on the selection of each selector, and decide whether the warm-up was worth it.

    Args:
        candidates: As in `select`.
        target: As in `select`.
        selectors: Selectors to compare the chosen selector with; `none` is no warm-up.
        seeds: Number of seeds with which each model is trained and evaluated.
        budget: As in `select`.
        selector: The chosen selector.
        text: As in `select`.
        domain: As in `select`.
        source: As in `select`.
        label: As in `select`; without a label the models are language models.
        validation: As in `select`.
        test: As in `select`.
        name: As in `select`.
        lake: As in `select`.
        **settings: Any other field of the task file, such as `base_model={"model": "small"}`.

    Returns:
        The comparison, with `.scorecard`, `.verdict`, `.report()` and `.selection`.

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
        settings={**settings, "compare": list(selectors), "seeds": seeds},
    )
    result = run(task, "scorecard")
    return Comparison(task, Selection(task, result.records["selected_subset"], result.statuses), result.records)
