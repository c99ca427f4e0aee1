"""What a folder of many task files costs: registration, a sensor's tick and a step, in CPU seconds.

    python benchmarks/task_files.py [--files 5 500] [--json results/task_files.json]

Each number of files is measured in a process of its own, with Dagster's store on disk. Every task has a train table
(Delta) and two files of its own, and shares the pool. A tick is what the code server does for a sensor every 30 s, and
`first` the first tick of a new process, which reads every file once. A step is one asset that is found reused; `first`
is the first of a new process, without its imports.
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
    """Return rows of words that no other name has."""
    drawn = random.Random(name)  # noqa: S311 - no secret
    words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(300)]
    return pl.DataFrame({"text": [" ".join(drawn.choices(words, k=14)) for _ in range(count)]})


def write_tasks(folder: Path, count: int) -> None:
    """Write `count` task files under `folder/tasks`, and what they name."""
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
    """Return the CPU seconds of each act with `count` task files."""
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
                found = sensor(context)
                cursors[sensor.name] = context.cursor if isinstance(found, dg.SkipReason) else found.cursor
                for request in getattr(found, "dynamic_partitions_requests", None) or []:
                    instance.add_dynamic_partitions("target", request.partition_keys)

            everything = defs.resolve_implicit_global_asset_job_def()
            job = everything.get_subset(asset_selection={dg.AssetKey("target_data")})

            def step() -> None:
                done = job.execute_in_process(instance=instance, partition_key=f"target-{count // 2}")
                assert done.success

            found = {"registration": seconds(lambda: tick(sensors["task_files"]))}
            assert len(instance.get_dynamic_partitions("target")) == count
            step()
            found["tick of target_changes"] = seconds(lambda: tick(sensors["target_changes"]))
            found["tick of pool_changes"] = seconds(lambda: tick(sensors["pool_changes"]))
        with dg.DagsterInstance.local_temp(str(folder / "home")) as instance:
            from getmore_assets import tasks_folder

            for cache in (
                tasks_folder._words,
                tasks_folder._name,
                tasks_folder._loaded,
                tasks_folder._read,
                tasks_folder._find,
            ):
                cache.cache_clear()
            found["step"] = seconds(step)
        return found


def main(counts: list[int], into: str | None) -> None:
    """Measure each number of files in a process of its own, print a table, keep the figures."""
    found = {}
    for count in counts:
        command = [sys.executable, __file__, "--measure", str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found[count] = json.loads(done.stdout.splitlines()[-1])
    print(f"{'CPU seconds':<26}" + "".join(f"{count:>10} files" for count in counts) + "     ratio")
    for act in found[counts[0]]:
        for which in ("first", "later"):
            values = [found[count][act][which] for count in counts]
            print(
                f"{act + ', ' + which:<32}"
                + "".join(f"{v:>10.4f}      " for v in values)
                + f"{values[-1] / values[0]:>6.2f}"
            )
    if into:
        Path(into).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[5, 500])
    parser.add_argument("--json")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is None:
        main(given.files, given.json)
    else:
        print(json.dumps(measure(given.measure)))
