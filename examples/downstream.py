"""Your own assets that take results of the pipeline as parameters, at the recorded version."""

from pathlib import Path

import dagster as dg
import polars as pl
from docstrings import docstrings

from getmore_assets import build_definitions

DATA = Path("data").absolute()


@dg.asset
def my_docs() -> pl.DataFrame:
    """The candidates, as a frame that only this asset's IO manager can load."""
    return docstrings("logging", "argparse", "ctypes", "xml", "http")


@dg.asset
def target_docs() -> pl.DataFrame:
    """The target, as a frame."""
    return docstrings("asyncio")


@dg.asset
def topics(selected_subset: pl.LazyFrame, raw_corpus: pl.LazyFrame) -> dg.MaterializeResult:
    """Count the rows of each topic in the pool and in the selection."""
    selected = selected_subset.group_by("domain").agg(pl.len().alias("selected"))
    counts = raw_corpus.group_by("domain").agg(pl.len().alias("rows")).join(selected, on="domain", how="left")
    rows = counts.sort("domain").collect().to_dicts()
    return dg.MaterializeResult(metadata={"topics": dg.MetadataValue.json(rows)})


task = {
    "name": "asyncio",
    "candidates": [{"asset": "my_docs", "text": "body", "domain": "topic"}],
    "target": {"train": {"asset": "target_docs"}, "text": "body"},
    "encoder": {"model": "lexical", "dimensions": 32},
    "base_model": {"small": {"layers": 1, "width": 64, "rows": 300}},
    "selection": {"budget": {"rows": 50}},
}
defs = dg.Definitions.merge(
    dg.Definitions(assets=[my_docs, target_docs, topics], executor=dg.in_process_executor),
    build_definitions(tasks=[task], lake=DATA / "lake", partitions=None),
)
