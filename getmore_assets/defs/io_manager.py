"""The IO manager that loads a stage's table or model as a parameter of a project's own assets.

Belongs here: loading at the recorded version. Does not: writing, which the stages do.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from getmore_assets.corpus import pool
from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.defs.pipeline import Pipeline
from getmore_assets.defs.resource import GetmoreResource
from getmore_assets.facts import EmbeddingFacts
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.stages.checks import materialize_first


class StageIOManager(dg.IOManager):
    """Loads tables and models: `selected_subset: pl.LazyFrame`, `warmed_model: Path`.

    A table is loaded as the annotation says: `pl.LazyFrame` (the default), `pl.DataFrame` or `pandas.DataFrame`. A
    model is loaded as the `Path` of its folder. Several partitions are loaded as a dict by target.
    """

    def __init__(self, getmore: GetmoreResource) -> None:
        self.getmore = getmore

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Raise: a stage writes its own table."""
        raise NotImplementedError(f"{context.asset_key.to_user_string()} writes its own table")

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the table or model at the version in the record."""
        stage, annotation = context.asset_key.path[-1], context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return self._load(None, stage, annotation)
        loaded = {target: self._load(target, stage, annotation) for target in context.asset_partition_keys}
        return loaded if len(loaded) != 1 else next(iter(loaded.values()))

    def _load(self, target: str | None, stage: str, annotation: Any) -> Any:
        task = replace(self.getmore, target=target).task()
        record = Records(Lake(task.lake), task.name).require(stage, materialize_first(stage))
        if record.table is None:
            return Path(record.folders["model"])
        rows = record.table.scan()
        columns = rows.collect_schema().names()
        if "target" in columns:
            rows = rows.filter(pl.col("target") == task.name)
        elif "pool" in columns:
            rows = rows.filter(pl.col("pool") == (PoolFacts.of(record).pool or pool.pool_key(task)))
        elif "encoder" in columns:
            rows = rows.filter(pl.col("encoder") == EmbeddingFacts.of(record).encoder)
        if annotation is pl.DataFrame:
            return rows.collect()
        is_pandas = getattr(annotation, "__module__", "").partition(".")[0] == "pandas"
        return rows.collect().to_pandas() if is_pandas else rows


def io_manager(pipeline: Pipeline) -> dg.IOManagerDefinition:
    """Return the IO manager of a pipeline's assets."""

    @dg.io_manager(
        required_resource_keys={pipeline.resource_key},
        description="Loads tables and models of the pipeline for assets that take them as parameters.",
    )
    def manager(context: dg.InitResourceContext) -> StageIOManager:
        return StageIOManager(getattr(context.resources, pipeline.resource_key))

    return manager
