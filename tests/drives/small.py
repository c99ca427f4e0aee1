"""Twelve small targets of one small pool with four domains, for drives that start many commands.

Belongs here: their sources and task files, and the growth of the pool. Does not: scenarios.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.corpus import python_docs
from tests.drives.command import Place

TARGETS = tuple(f"t{number}" for number in range(1, 13))
_DOMAINS, _ROWS, _MORE = 4, 75, 25  # domains of the pool; rows of each domain at first, and rows added later
_SPLITS = {"train": 40, "validation": 10, "test": 10}


@dataclass(frozen=True)
class Small(Place):
    """A folder with the small sources, a task file for each target, and a lake."""

    task: str = TARGETS[0]

    def write_task(self, **changes: Any) -> None:
        """Write the task file: 16 dimensions, a budget of 40 rows, a triage sample of 10 rows of each domain."""
        folder = self.home / "sources"
        small = {
            "candidates": [{"path": str(folder / "pool"), "source": "source", "domain": "domain"}],
            "target": {split: str(folder / f"{self.task}-{split}.jsonl") for split in _SPLITS},
            "encoder": {"model": "lexical", "dimensions": 16},
            "selection": {"selector": "got-d", "budget": {"rows": 40}},
            "triage": {"sample": 10},
            "compare": ["none"],
        }
        super().write_task(**{**small, **changes})

    def another(self, task: str) -> "Small":
        """Return another target of the same pool, in the same lake."""
        other = Small(self.home, task)
        other.write_task()
        return other

    def grow_pool(self) -> None:
        """Add a file of 100 rows to the pool of 300 rows."""
        (self.home / "sources" / "more.parquet").rename(self.home / "sources" / "pool" / "part-1.parquet")


def small_sources(home: Path) -> Path:
    """Write pool/part-0.parquet, more.parquet, and TARGET-{train,validation,test}.jsonl for each target."""
    rows = [
        {"text": text, "source": module, "domain": module.split(".")[0].split(":")[0]}
        for text, module, _ in python_docs.read(["python"], [])
        if len(text) < 1500
    ]
    docs = pl.DataFrame(rows).unique("text", keep="first", maintain_order=True)
    common = docs["domain"].value_counts().filter(pl.col("count") >= _ROWS + _MORE).sort("count", "domain")["domain"]
    pool = common.to_list()[-_DOMAINS:]
    folder = home / "sources"
    (folder / "pool").mkdir(parents=True)
    of_pool = docs.filter(pl.col("domain").is_in(pool)).with_columns(at=pl.int_range(pl.len()).over("domain"))
    of_pool.filter(pl.col("at") < _ROWS).drop("at").write_parquet(folder / "pool" / "part-0.parquet")
    of_pool.filter(pl.col("at").is_between(_ROWS, _ROWS + _MORE - 1)).drop("at").write_parquet(folder / "more.parquet")
    of_targets, start = docs.filter(~pl.col("domain").is_in(pool)).sort("domain").select("text", label="domain"), 0
    for name in TARGETS:
        for split, count in _SPLITS.items():
            of_targets.slice(start, count).write_ndjson(folder / f"{name}-{split}.jsonl")
            start += count
    return folder
