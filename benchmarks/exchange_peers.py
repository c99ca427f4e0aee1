"""The first row of each band key by one program, timed for `exchange.py`.

python benchmarks/exchange_peers.py SPEC.json RESULT.json

The input is one Parquet file with a line per row and band, `row` (int64, ascending) and `key` (int64, the bits of an
uint64). The output is a folder of Parquet files with `row` and `first`, the lowest row that shares a key with `row`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

PARTS = 16  # of a shuffle: 16 MB each for a million rows
#: Starts the engine for an input file and an output folder, and returns the timed function.
Program = Callable[[str, str], Callable[[], None]]


def ours(source: str, target: str) -> Callable[[], None]:
    """Return the function for this project: batches in order, and one index in temporary files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from getmore_assets.corpus.bands import FirstRows
    from getmore_assets.corpus.duplicates import BANDS
    from getmore_assets.corpus.readers import BATCH_ROWS

    def run() -> None:
        index, firsts = FirstRows(Path(target)), []
        for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS * BANDS):
            rows, keys = batch["row"].to_numpy(), batch["key"].to_numpy().view(np.uint64)
            unique, at, band = np.unique(keys, return_index=True, return_inverse=True)
            before = index.find(unique)
            firsts.append(np.where(before < 0, rows[at], before)[band].reshape(-1, BANDS).min(1))
            unknown = (before < 0)[band]
            index.add(keys[unknown], rows[unknown])
        first = np.concatenate(firsts)
        pq.write_table(pa.table({"row": np.arange(len(first)), "first": first}), f"{target}/rows.parquet")

    return run


def polars(source: str, target: str) -> Callable[[], None]:
    """Return the function for Polars, in memory, on one thread."""
    import polars as pl

    def run() -> None:
        rows = pl.read_parquet(source)
        firsts = rows.group_by("key").agg(first=pl.col("row").min())
        found = rows.join(firsts, on="key").group_by("row").agg(pl.col("first").min())
        found.write_parquet(f"{target}/rows.parquet")

    return run


def daft(source: str, target: str) -> Callable[[], None]:
    """Return the function for Daft's native runner: threads of one process."""
    import daft

    def run() -> None:
        rows = daft.read_parquet(source)
        firsts = rows.groupby("key").agg(daft.col("row").min().alias("first"))
        found = rows.join(firsts, on="key").groupby("row").agg(daft.col("first").min())
        found.write_parquet(target)

    return run


def spark(source: str, target: str, master: str = "local[1]") -> Callable[[], None]:
    """Return the function for Spark, in one Java process with one thread for tasks."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    builder = SparkSession.builder.master(master).config("spark.driver.memory", "3g").config("spark.ui.enabled", False)
    session = builder.config("spark.sql.shuffle.partitions", PARTS).getOrCreate()

    def run() -> None:
        rows = session.read.parquet(source)
        firsts = rows.groupBy("key").agg(f.min("row").alias("first"))
        found = rows.join(firsts, "key").groupBy("row").agg(f.min("first").alias("first"))
        found.write.mode("overwrite").parquet(target)

    return run


def ray_data(source: str, target: str) -> Callable[[], None]:
    """Return the function for Ray Data: shuffles by hash, and Polars within a part, as groups in Python take longer."""
    import polars as pl
    import pyarrow as pa
    import ray

    start_ray()

    def firsts(part: pa.Table) -> pa.Table:
        rows = pl.DataFrame(part).with_columns(first=pl.col("row").min().over("key"))
        return rows.group_by("row").agg(pl.col("first").min()).to_arrow()

    def least(part: pa.Table) -> pa.Table:
        return pl.DataFrame(part).group_by("row").agg(pl.col("first").min()).to_arrow()

    def run() -> None:
        by_key = ray.data.read_parquet(source).repartition(PARTS, keys=["key"])
        found = by_key.map_batches(firsts, batch_format="pyarrow", batch_size=None).repartition(PARTS, keys=["row"])
        found.map_batches(least, batch_format="pyarrow", batch_size=None).write_parquet(target)

    return run


def start_ray() -> None:
    """Start a cluster of one node with two CPUs, of its own even if this machine is a node of another."""
    import ray

    os.environ["RAY_TMPDIR"] = str(Path.cwd())
    ray.init("local", num_cpus=2, object_store_memory=2 * 2**30, include_dashboard=False, log_to_driver=False)


def spark_workers(source: str, target: str) -> Callable[[], None]:
    """Return the function for Spark with two executors, each a process of its own."""
    return spark(source, target, "local-cluster[2,1,1024]")


def daft_on_ray(source: str, target: str) -> Callable[[], None]:
    """Return the function for Daft's distributed runner, on Ray."""
    import daft

    start_ray()
    daft.set_runner_ray()
    return globals()["daft"](source, target)  # type: ignore[no-any-return]


PROGRAMS: dict[str, Program] = {
    f.__name__: f for f in (ours, polars, daft, spark, ray_data, spark_workers, daft_on_ray)
}
PACKAGES = {"daft": ["daft"], "daft_on_ray": ["daft", "ray"], "ours": ["numpy"], "polars": ["polars"]}
PACKAGES |= {"ray_data": ["ray", "polars"], "spark": ["pyspark"], "spark_workers": ["pyspark"]}


def cpu_seconds(root: psutil.Process) -> float:
    """Return the CPU seconds, user and system, of a process and all its descendants, also of ended ones."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:  # its parent has its seconds
            continue
    return total


def main() -> None:
    """Start the engine, run, and write the seconds of both."""
    spec, name = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    began = time.monotonic()
    run = PROGRAMS[spec["program"]](spec["source"], spec["target"])
    started, used = time.monotonic(), cpu_seconds(psutil.Process())
    Path(f"{name}.began").touch()  # `exchange.py` may end a process of the engine from now on
    run()
    figures = {"start_seconds": started - began, "start_cpu_seconds": used}
    figures |= {"seconds": time.monotonic() - started, "cpu_seconds": cpu_seconds(psutil.Process()) - used}
    versions = {package: version(package) for package in PACKAGES[spec["program"]]}
    Path(name).write_text(json.dumps({**figures, "versions": versions}))
    os._exit(0)  # engines need seconds to end, which are not measured; `exchange.py` ends what is left of them


if __name__ == "__main__":
    main()
