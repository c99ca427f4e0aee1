"""Two pipelines in one project, each with a key prefix: the same candidates and lake, but different selectors."""

from pathlib import Path

import dagster as dg
from docstrings import docstrings

from getmore_assets import build_definitions

DATA = Path("data").absolute()


@dg.asset
def my_docs() -> dg.MaterializeResult:
    """The candidates, as a Parquet file."""
    DATA.mkdir(exist_ok=True)
    docstrings("logging", "argparse", "ctypes", "xml", "http").write_parquet(DATA / "my_docs.parquet")
    return dg.MaterializeResult(metadata={"dagster/uri": str(DATA / "my_docs.parquet")})


@dg.asset
def target_docs() -> dg.MaterializeResult:
    """The target, as JSON lines."""
    DATA.mkdir(exist_ok=True)
    docstrings("asyncio").write_ndjson(DATA / "target_docs.jsonl")
    return dg.MaterializeResult(metadata={"dagster/uri": str(DATA / "target_docs.jsonl")})


def pipeline(prefix: str, selector: str) -> dg.Definitions:
    task = {
        "name": f"asyncio-{selector}",
        "candidates": [{"asset": "my_docs", "text": "body", "domain": "topic"}],
        "target": {"train": {"asset": "target_docs"}, "text": "body"},
        "encoder": {"model": "lexical", "dimensions": 32},
        "selection": {"selector": selector, "budget": {"rows": 50}},
    }
    return build_definitions(key_prefix=prefix, tasks=[task], lake=DATA / "lake", partitions=None, group=prefix)


defs = dg.Definitions.merge(
    dg.Definitions(assets=[my_docs, target_docs], executor=dg.in_process_executor),
    pipeline("transport", "got-d"),
    pipeline("neighbours", "knn"),
)
