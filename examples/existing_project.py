"""A project with its own assets, names, partitions and executor, and the pipeline beside them."""

from pathlib import Path

import dagster as dg
from deltalake import DeltaTable
from docstrings import docstrings

from getmore_assets import build_definitions

DATA = Path("data").absolute()
TARGETS = ["asyncio", "email", "unittest", "http", "json"]


def table(name: str, *packages: str) -> dg.AssetsDefinition:
    """Return an asset that writes a Delta table. The pipeline finds the table by the metadata: path and version."""

    @dg.asset(name=name)
    def written() -> dg.MaterializeResult:
        docstrings(*packages).write_delta(DATA / name, mode="overwrite")
        version = DeltaTable(DATA / name).version()
        return dg.MaterializeResult(metadata={"dagster/uri": str(DATA / name), "delta_version": version})

    return written


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def visits() -> None:
    """The project's own asset, partitioned by day."""


@dg.asset
def embeddings(getmore: dg.ResourceParam[str]) -> None:
    """The project's own asset, with the name of an asset of the pipeline, and a resource with the pipeline's name."""


tasks = [
    {
        "name": name,
        "candidates": [{"asset": "my_docs", "text": "body", "domain": "topic"}],
        "target": {"train": {"asset": f"target_{name}"}, "text": "body"},
        "encoder": {"model": "lexical", "dimensions": 32},
        "selection": {"budget": {"rows": 50}},
    }
    for name in TARGETS
]
partitions = dg.StaticPartitionsDefinition(TARGETS)
defs = dg.Definitions.merge(
    dg.Definitions(  # the project's own
        assets=[table("my_docs", "logging", "argparse", "ctypes", "xml"), visits, embeddings],
        jobs=[dg.define_asset_job("run", [embeddings])],
        resources={"getmore": "the project's own resource"},
        executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    ),
    dg.Definitions(assets=[table(f"target_{name}", name) for name in TARGETS]),
    build_definitions(key_prefix="warm", tasks=tasks, lake=DATA / "lake", partitions=partitions),
)
