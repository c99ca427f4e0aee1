"""CPU seconds of registration, a sensor's tick and a step, with few and with many task files.

    python benchmarks/task_files.py [--files 5 500] [--json results/task_files.json]

Each number of files is measured in a process of its own, with Dagster's store on disk. Every task has its own train
table (Delta) and two files, and shares the pool. A tick is the work of the code server for a sensor every 30 s; `first`
is the first tick of a new process, which reads every file once. A step is one cached asset; `first` is the first step
of a new process, without imports.
"""

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import yaml

_TIMES = 7


def texts(name: str, count: int) -> pl.DataFrame:
    """Return rows of random words, different for each name."""
    rng = random.Random(name)  # noqa: S311 - not for cryptography
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(300)]
    return pl.DataFrame({"text": [" ".join(rng.choices(words, k=14)) for _ in range(count)]})


def write_tasks(folder: Path, count: int) -> None:
    """Write `count` task files under `folder/tasks`, and their sources."""
    (folder / "tasks").mkdir()
    texts("pool", 80).write_parquet(folder / "pool.parquet")
    for n in range(count):
        place = folder / f"data-{n}"
        place.mkdir()
        texts(f"train {n}", 20).write_delta(place / "train")
        for split in ("validation", "test"):
            texts(f"{split} {n}", 10).write_ndjson(place / f"{split}.jsonl")
        task = {
            "name": f"target-{n}",
            "lake": str(folder / "lake"),
            "candidates": [str(folder / "pool.parquet")],
            "target": {"train": str(place / "train")} | {s: str(place / f"{s}.jsonl") for s in ("validation", "test")},
            "encoder": {"model": "lexical", "dimensions": 16},
            "selection": {"budget": {"rows": 20}},
        }
        (folder / "tasks" / f"{n:03}.yaml").write_text(yaml.safe_dump(task), "utf-8")


def seconds(work: Callable[[], object], times: int = _TIMES) -> dict[str, float]:
    """Return the CPU seconds of the first call and the least of the following calls."""
    took = []
    for _ in range(1 + times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return {"first": round(took[0], 4), "later": round(min(took[1:]), 4)}


def measure(count: int) -> dict[str, dict[str, float]]:
    """Return the CPU seconds of each operation with `count` task files."""
    import dagster as dg

    from getmore_assets.definitions import defs

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_tasks(folder, count)
        os.environ["GETMORE_TASKS"] = str(folder / "tasks")
        (folder / "home").mkdir()
        logging.disable()
        with dg.DagsterInstance.local_temp(str(folder / "home")) as instance:
            cursors: dict[str, str | None] = {}
            sensors = {sensor.name: sensor for sensor in defs.sensors or []}

            def tick(sensor: dg.SensorDefinition) -> None:
                context = dg.build_sensor_context(
                    instance=instance, cursor=cursors.get(sensor.name), sensor_name=sensor.name, definitions=defs
                )
                result = sensor(context)
                cursors[sensor.name] = context.cursor if isinstance(result, dg.SkipReason) else result.cursor
                for request in getattr(result, "dynamic_partitions_requests", None) or []:
                    instance.add_dynamic_partitions("target", request.partition_keys)

            everything = defs.resolve_implicit_global_asset_job_def()
            job = everything.get_subset(asset_selection={dg.AssetKey("target_data")})

            def step() -> None:
                done = job.execute_in_process(instance=instance, partition_key=f"target-{count // 2}")
                assert done.success

            figures = {"registration": seconds(lambda: tick(sensors["task_files"]))}
            assert len(instance.get_dynamic_partitions("target")) == count
            step()
            figures["tick of target_changes"] = seconds(lambda: tick(sensors["target_changes"]))
            figures["tick of pool_changes"] = seconds(lambda: tick(sensors["pool_changes"]))
        with dg.DagsterInstance.local_temp(str(folder / "home")) as instance:
            from getmore_assets import tasks_folder

            for name in ("_words", "_name", "_loaded", "_read", "_find"):
                getattr(tasks_folder, name).cache_clear()
            figures["step"] = seconds(step)
        return figures


def main(counts: list[int], into: str | None) -> None:
    """Measure each number of files in a process of its own, print a table, and write the figures."""
    figures = {}
    for count in counts:
        command = [sys.executable, __file__, "--measure", str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        figures[count] = json.loads(done.stdout.splitlines()[-1])
    print(f"{'CPU seconds':<26}" + "".join(f"{count:>10} files" for count in counts) + "     ratio")
    for operation in figures[counts[0]]:
        for call in ("first", "later"):
            values = [figures[count][operation][call] for count in counts]
            cells = "".join(f"{value:>10.4f}      " for value in values)
            print(f"{operation + ', ' + call:<32}{cells}{values[-1] / values[0]:>6.2f}")
    if into:
        Path(into).write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[5, 500])
    parser.add_argument("--json")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is None:
        main(args.files, args.json)
    else:
        print(json.dumps(measure(args.measure)))
