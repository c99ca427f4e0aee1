"""Comparing selectors by the models that come of them.

Belongs here: `compare`, and what it returns. Does not: the work (`stages/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.api.selection import Selection
from getmore_assets.api.tasks import Budget, Source, build_task
from getmore_assets.config import Task
from getmore_assets.records import Record
from getmore_assets.reporting import comparison
from getmore_assets.stages.running import run


@dataclass(frozen=True)
class Comparison:
    """Selectors side by side at the same tokens and recipe.

    Attributes:
        task: What was compared.
        selection: The chosen selector's rows.
        records: What every stage left, by name.
    """

    task: Task
    selection: Selection
    records: dict[str, Record]

    @property
    def record(self) -> Record:
        """What the stage `scorecard` left."""
        return self.records["scorecard"]

    @cached_property
    def scorecard(self) -> pl.DataFrame:
        """A row a selector and seed: the tokens, every metric, and the seconds."""
        rows = self.record.table_ref().of_target(self.task.name)
        return rows.drop("target").collect()

    @property
    def verdict(self) -> list[str]:
        """Whether the warm-up was worth it, in sentences."""
        return comparison.read(self.record).verdict

    @property
    def models(self) -> dict[str, Path]:
        """The folders of the models after the warm-up and after fine-tuning, for Transformers."""
        return {name: Path(self.records[name].folders["model"]) for name in ("warmed_model", "finetuned_model")}

    def report(self) -> Path:
        """Return the report: one HTML page that needs no network."""
        return Path(self.record.folders["report"])

    def __repr__(self) -> str:
        return f"<Comparison for {self.task.name}: {comparison.read(self.record).headline}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and every table of the scorecard."""
        found = comparison.read(self.record)
        parts = [f"<p>{escape(line)}</p>" for line in [found.headline, *found.verdict]]
        for table in found.tables:
            head = "".join(f"<th>{escape(column.name)}</th>" for column in table.head)
            cells = ("".join(f"<td>{escape('' if c is None else str(c))}</td>" for c in row) for row in table.rows)
            body = "".join(f"<tr>{row}</tr>" for row in cells)
            parts.append(f"<p><b>{escape(table.title)}</b></p><table><tr>{head}</tr>{body}</table>")
        return "".join(parts)


def compare(
    candidates: Source,
    target: Source,
    *,
    selectors: Sequence[str] = ("none", "random"),
    seeds: int = 3,
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
) -> Comparison:
    """Train a model on what each selector chooses, and say whether the warm-up was worth it.

    Args:
        candidates: As in `select`.
        target: As in `select`.
        selectors: What the chosen one is compared with; `none` is no warm-up.
        seeds: How often each model is trained and scored.
        budget: As in `select`.
        selector: The chosen one.
        text: As in `select`.
        domain: As in `select`.
        source: As in `select`.
        label: As in `select`; without it the model is a language model.
        validation: As in `select`.
        test: As in `select`.
        name: As in `select`.
        lake: As in `select`.
        **settings: Any other field of the task file, as `base_model={"model": "small"}`.

    Returns:
        The comparison, with `.scorecard`, `.verdict`, `.report()` and `.selection`.

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
        settings={**settings, "compare": list(selectors), "seeds": seeds},
    )
    ran = run(task, "scorecard")
    return Comparison(task, Selection(task, ran.records["selected_subset"], ran.statuses), ran.records)
