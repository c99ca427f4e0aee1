"""A worker on nodes of a Ray cluster, with the files that it needs.

Belongs here: moving a spec and its files to the nodes, and the results back. Does not: reserving the nodes and starting
again when one is lost (`node_group.py`), actors that share the work of a stage (`cluster.py`), or a worker's work.

A lake on a store is fetched by each node, and uploaded by the node of rank 0, so nodes share no folder. A lake in a
folder must be at the same path on all nodes.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from getmore_assets.cluster import joined
from getmore_assets.errors import BadInput
from getmore_assets.forks import Exit
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import Lake
from getmore_assets.node_group import End, ended, on_nodes
from getmore_assets.nodes import Nodes
from getmore_assets.records import write_atomically

FIELD = "launch.train"
_RUNS = "runs"  # the folder with the results of a comparison's runs
_EVERY_S = 20.0  # between uploads of these results: a lost node costs the runs since the last upload

#: Runs a worker on this machine: name, spec file, result file, processes, and the nodes if there are several.
RunHere = Callable[[str, Path, Path, int, Nodes | None], Exit]


@dataclass(frozen=True)
class RayNodes:
    """The nodes that run a worker: the address of their Ray cluster, and their number."""

    address: str
    count: int


def run(place: RayNodes, worker: str, work: Path, processes: int, run_here: RunHere) -> int:
    """Run a worker on nodes, and return the worker's exit code; its result is then in `work` on this machine.

    Args:
        place: The nodes.
        worker: Name of the worker.
        work: The folder with the worker's `spec.json`, in the lake.
        processes: Processes of the worker on each node; on a cluster with GPUs it has so many GPUs there.
        run_here: Runs the worker on a node.

    Raises:
        BadInput: No cluster answers, the cluster has fewer nodes, or the files that the nodes wrote cannot be seen
            here.
        WorkerKilledError: Nodes were lost again and again.
    """
    import ray

    spec = json.loads((work / "spec.json").read_text("utf-8"))
    lake = Lake(spec["lake"])
    root, name = str(lake.root), work.relative_to(lake.root).as_posix()

    def together(nodes: list[Any]) -> End:
        todo = _without_results(spec, lake)
        addresses = ray.get([node.prepare.remote(todo, root, name) for node in nodes])
        meeting = [_meeting(addresses, rank) for rank in range(len(nodes))]
        calls = [node.run.remote(worker, processes, meeting[rank], run_here) for rank, node in enumerate(nodes)]
        return min(ended(calls), key=_precedence)

    with joined(place.address, FIELD):
        code, answer = on_nodes(_Node, place.count, processes, FIELD, together)
    lake.pull(*_names(spec, lake))
    if answer is not None:
        write_atomically(work / "result.json", answer)
    if (folder := spec.get("folder")) and code == 0 and not Path(folder).is_dir():
        fix = "Have the lake on a store (`lake: s3://bucket/prefix`), or in a folder that all nodes share"
        raise BadInput(FIELD, f"the node wrote {folder}, which this machine does not see", fix)
    return code


class _Node:
    """One of the nodes, as an actor: both of its methods run on the same node."""

    def prepare(self, spec: JsonObject, root: str, name: str) -> str:
        """Write the spec in this node's lake, fetch the files in it, and return this node's address and a free port."""
        import ray

        self._lake = lake = Lake(spec["lake"])
        self._work = lake.folder(name)
        moved = _moved(spec, root, str(lake.root))
        (self._work / "result.json").unlink(missing_ok=True)
        (self._work / "spec.json").write_text(json.dumps(moved), "utf-8")
        self._names = _names(moved, lake)
        lake.pull(*self._names)
        for path in _paths(moved, str(lake.root)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        address = ray.util.get_node_ip_address()
        with socket.create_server(("", 0)) as free:
            return f"{address}:{free.getsockname()[1]}"

    def run(self, worker: str, processes: int, nodes: Nodes | None, run_here: RunHere) -> End:
        """Run a worker on this node, and return its exit code and its result as JSON; rank 0 uploads the files."""
        asked, answered = self._work / "spec.json", self._work / "result.json"
        is_first = nodes is None or nodes.rank == 0
        with _uploaded(self._lake) if is_first else nullcontext():
            code = run_here(worker, asked, answered, processes, nodes).code
        if is_first:
            self._lake.push(*self._names)
        has_answer = answered.is_file() and (is_first or code != 0)
        return code, answered.read_text("utf-8") if has_answer else None


def _meeting(addresses: list[str], rank: int) -> Nodes | None:
    """Return the nodes as the node of a rank sees them: they meet at rank 0; None for one node."""
    if len(addresses) == 1:
        return None
    return Nodes(len(addresses), addresses[0], rank, addresses[rank].rpartition(":")[0])


def _precedence(end: End) -> tuple[bool, ...]:
    """Return the sort key by which the result of the whole worker comes first among the results of its nodes.

    Failures come before successes, and a refusal or a kill before the errors (exit code 1) that it causes on other
    nodes. Without failures, the end with a result comes first: that of rank 0.
    """
    code, answer = end
    return code == 0, code == 1, answer is None


def _without_results(spec: JsonObject, lake: Lake) -> JsonObject:
    """Return a spec without the runs of a comparison that an earlier attempt has finished."""
    if "runs" not in spec:
        return spec
    lake.pull(_RUNS)
    return {**spec, "runs": [one for one in spec["runs"] if not Path(one["result"]).is_file()]}


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
