"""A worker on a node of a Ray cluster, with the files that it needs.

Belongs here: moving a spec and its files to the node, and the results back. Does not: actors that share the work of a
stage (`cluster.py`), or a worker's work.

A lake on a store is fetched and uploaded by the node itself, so nodes share no folder. A lake in a folder must be at
the same path on all nodes.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from getmore_assets.cluster import joined
from getmore_assets.errors import BadInput
from getmore_assets.forks import Exit
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.records import write_atomically

FIELD = "launch.train"
_RUNS = "runs"  # the folder with the results of a comparison's runs
_EVERY_S = 20.0  # between uploads of these results: a lost node costs the runs since the last upload
_RETRIES = 3  # of a worker whose node was lost; limited, because some work may end every node

#: Runs a worker on this machine: name, spec file, result file, processes.
RunHere = Callable[[str, Path, Path, int], Exit]


def run(address: str, worker: str, work: Path, processes: int, run_here: RunHere) -> int:
    """Run a worker on a node, and return the worker's exit code; its result is then in `work` on this machine.

    Args:
        address: The address of the Ray cluster.
        worker: Name of the worker.
        work: The folder with the worker's `spec.json`, in the lake.
        processes: Processes of the worker; on a cluster with GPUs it has so many GPUs.
        run_here: Runs the worker on the node.

    Raises:
        BadInput: No cluster answers, or the files that the node wrote cannot be seen here.
    """
    import ray

    spec = json.loads((work / "spec.json").read_text("utf-8"))
    lake = Lake(spec["lake"])
    with joined(address, FIELD):
        resources = ray.cluster_resources()
        cpus = int(min(node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"]))
        needs = {"num_gpus": processes, "num_cpus": processes} if resources.get("GPU") else {"num_cpus": max(1, cpus)}
        task = ray.remote(_on_node).options(max_retries=_RETRIES, scheduling_strategy="SPREAD", **needs)
        name = work.relative_to(lake.root).as_posix()
        code, answer = ray.get(task.remote(worker, spec, str(lake.root), name, processes, run_here))
    lake.pull(*_names(spec, lake))
    if answer is not None:
        write_atomically(work / "result.json", answer)
    if (folder := spec.get("folder")) and code == 0 and not Path(folder).is_dir():
        fix = "Have the lake on a store (`lake: s3://bucket/prefix`), or in a folder that all nodes share"
        raise BadInput(FIELD, f"the node wrote {folder}, which this machine does not see", fix)
    return int(code)


def _on_node(
    worker: str, spec: JsonObject, root: str, name: str, processes: int, run_here: RunHere
) -> tuple[int, str | None]:
    """Run a worker on this node, and return its exit code and its result as JSON."""
    lake = Lake(spec["lake"])
    moved = _moved(spec, root, str(lake.root))
    work = lake.folder(name)
    asked, answered = work / "spec.json", work / "result.json"
    answered.unlink(missing_ok=True)
    asked.write_text(json.dumps(moved), "utf-8")
    names = _names(moved, lake)
    lake.pull(*names)
    for path in _paths(moved, str(lake.root)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with _uploaded(lake):
        code = run_here(worker, asked, answered, processes).code
    lake.push(*names)
    return code, answered.read_text("utf-8") if answered.is_file() else None


@contextmanager
def _uploaded(lake: Lake) -> Iterator[None]:
    """Upload the results of runs from time to time within the context."""
    ended = threading.Event()

    def upload() -> None:
        while not ended.wait(_EVERY_S):
            lake.push(_RUNS)

    thread = threading.Thread(target=upload, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _names(spec: JsonObject, lake: Lake) -> list[str]:
    """Return the files and folders in a spec, relative to the lake's root: `runs` for all its files, without `work`."""
    names = lake.named(*_paths({name: value for name, value in spec.items() if name != "work"}, str(lake.root)))
    return sorted({_RUNS if name.startswith(f"{_RUNS}/") else name for name in names if name != "."})


def _paths(value: Any, root: str) -> Iterator[str]:
    """Yield the paths in JSON that are in a folder."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _paths(one, root)
    elif isinstance(value, str) and value.startswith(f"{root}/"):
        yield value


def _moved(value: Any, root: str, to: str) -> Any:
    """Return JSON with the paths in one folder changed to paths in another folder."""
    if isinstance(value, dict):
        return {name: _moved(one, root, to) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, root, to) for one in value]
    inside = isinstance(value, str) and (value == root or value.startswith(f"{root}/"))
    return to + value[len(root) :] if inside else value
