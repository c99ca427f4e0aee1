"""Assets of your own that take what the pipeline made as a parameter, at the version that was recorded."""

from pathlib import Path

import dagster as dg
import polars as pl
from docstrings import docstrings

from getmore_assets import build_definitions

DATA = Path("data").absolute()


@dg.asset
def my_docs() -> pl.DataFrame:
    """The candidates: a frame, which only the IO manager of this asset can load."""
    return docstrings("logging", "argparse", "ctypes", "xml", "http")


@dg.asset
def wanted() -> pl.DataFrame:
    """The target, likewise."""
    return docstrings("asyncio")


@dg.asset
def topics(selected_subset: pl.LazyFrame, raw_corpus: pl.LazyFrame) -> dg.MaterializeResult:
    """How much of each topic is in the selection, and in the pool."""
    chosen = selected_subset.group_by("domain").agg(pl.len().alias("selected"))
    found = raw_corpus.group_by("domain").agg(pl.len().alias("rows")).join(chosen, on="domain", how="left")
    counts = found.sort("domain").collect()
    return dg.MaterializeResult(metadata={"topics": dg.MetadataValue.json(counts.to_dicts())})


task = {
    "name": "asyncio",
    "candidates": [{"asset": "my_docs", "text": "body", "domain": "topic"}],
    "target": {"train": {"asset": "wanted"}, "text": "body"},
    "encoder": {"model": "lexical", "dimensions": 32},
    "base_model": {"small": {"layers": 1, "width": 64, "rows": 300}},
    "selection": {"budget": {"rows": 50}},
}
defs = dg.Definitions.merge(
    dg.Definitions(assets=[my_docs, wanted, topics], executor=dg.in_process_executor),
    build_definitions(tasks=[task], lake=DATA / "lake", partitions=None),
)
