"""Nodes of a Ray cluster that do one piece of work together: if one of them is lost, all start again.

Belongs here: reserving the nodes, an actor on each, ending all of them, starting again. Does not: the actors' work
(`remote_worker.py`), or actors that can each be restarted alone (`cluster.py`).
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from getmore_assets.errors import BadInput, WorkerKilledError

log = logging.getLogger(__name__)

_RETRIES = 3  # after a lost node; limited, because some work may end every node
_REPLACED_S = 300.0  # a lost node may be replaced within this time
_SETTLE_S = 60.0  # after a failed call, for others to end and for the cluster to find out that a node is lost
_LOOK_S = 5.0  # between looks at the live nodes, while others use them

#: The exit code of a call, and its result as JSON.
End = tuple[int, str | None]
Done = TypeVar("Done")


def on_nodes(kind: type, count: int, processes: int, field: str, work: Callable[[list[Any]], Done]) -> Done:
    """Start an actor on each of several nodes, do work with the actors, and end them; repeat it if a node is lost.

    Args:
        kind: The class of the actors.
        count: Number of nodes; each has one actor.
        processes: GPUs of each actor on a cluster with GPUs. On others, an actor has all processors of its node.
        field: The field of the task file with the nodes.
        work: Takes the actors, by rank.

    Raises:
        BadInput: The cluster has fewer nodes.
        WorkerKilledError: Nodes were lost again and again.
    """
    from ray.exceptions import RayError, RayTaskError

    last: Exception | None = None
    for attempt in range(_RETRIES + 1):
        try:
            with _actors(kind, count, processes, field, _REPLACED_S if attempt else 0.0) as actors:
                return work(actors)
        except RayTaskError:  # raised by the work itself
            raise
        except RayError as error:
            log.warning("a node was lost (%s), attempt %d of %d", type(error).__name__, attempt + 1, _RETRIES + 1)
            last = error
    raise WorkerKilledError(f"a node was lost in each of {_RETRIES + 1} attempts; run again to go on") from last


def ended(calls: list[Any]) -> list[End]:
    """Wait for calls, and return how they ended, in this order.

    If a call fails, the others are awaited for a minute only: its process may have failed because another node was
    lost, which the cluster finds out later, and the others may wait for that process for ever.

    Raises:
        RayError: A node was lost.
    """
    import ray

    ends: list[End] = []
    until: float | None = None
    while calls:
        ready, calls = ray.wait(calls, timeout=None if until is None else max(0.0, until - time.monotonic()))
        if not ready:
            break
        ends.append(ray.get(ready[0]))
        if ends[-1][0] != 0 and until is None:
            until = time.monotonic() + _SETTLE_S
    return ends


@contextmanager
def _actors(kind: type, count: int, processes: int, field: str, patience_s: float) -> Iterator[list[Any]]:
    """Reserve nodes, and run an actor on each within the context."""
    import ray
    from ray.util import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    needs = _needs(count, processes, field, patience_s)
    group = placement_group([needs] * count, strategy="STRICT_SPREAD")
    try:
        while not group.wait(_LOOK_S):
            _needs(count, processes, field, patience_s)
        own = {"num_cpus": needs["CPU"], "num_gpus": needs.get("GPU", 0)}
        places = [PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank) for rank in range(count)]
        yield [ray.remote(kind).options(scheduling_strategy=place, **own).remote() for place in places]
    finally:
        remove_placement_group(group)  # ends the actors, and with them the processes that they started


def _needs(count: int, processes: int, field: str, patience_s: float) -> dict[str, int]:
    """Return the resources of an actor, once so many live nodes have them.

    One node is not waited for here: a cluster may start its first node on request.

    Raises:
        BadInput: Fewer nodes have them for `patience_s` seconds.
    """
    import ray

    until = time.monotonic() + patience_s
    while True:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus = min((int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1), default=1)
        gpus = {"GPU": processes, "CPU": processes} if any(node.get("GPU") for node in nodes) else None
        needs = gpus or {"CPU": cpus}
        able = sum(all(node.get(name, 0) >= need for name, need in needs.items()) for node in nodes)
        if able >= count or count == 1:
            return needs
        if time.monotonic() > until:
            each = f" with {processes} GPUs and processors" if gpus else ""
            what = f"is {count}, more than the live nodes of the cluster{each} ({able})"
            raise BadInput(f"{field}.nnodes", what, "Start nodes with `ray start`, or lower it")
        time.sleep(1)
