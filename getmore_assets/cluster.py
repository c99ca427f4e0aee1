"""A Ray cluster over which a stage's work is spread.

Belongs here: joining and leaving the cluster, starting actors. Does not: the actors' work (`encoders/remote.py`,
`transport/passes/remote.py`). Ray is an extra: it is imported only where a task names a cluster.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from getmore_assets.config import Elsewhere
from getmore_assets.errors import BadInput

_LIVES = 10  # restarts of an actor; limited, because some work may kill every process


class Worker:
    """An actor: a process on some node. If it dies, Ray restarts it on another node and repeats the call.

    Args:
        threads: Threads of torch.
    """

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._first = True

    def again(self) -> bool:
        """Return whether the present call repeats a call to a process that died."""
        import ray

        first, self._first = self._first, False
        with warnings.catch_warnings(action="ignore"):  # Ray calls its own deprecated function
            return first and bool(ray.get_runtime_context().was_current_actor_reconstructed)


@contextmanager
def joined(place: Elsewhere, field: str) -> Iterator[None]:
    """Join a cluster, and leave it at the end of the context.

    Args:
        place: The cluster.
        field: The field of the task file that names the cluster.

    Raises:
        BadInput: No cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if place.ray == "local" else {}
    try:
        ray.init(place.ray, logging_level=logging.WARNING, **own)
    except ConnectionError as error:
        what = f"no Ray cluster answers at `{place.ray}` ({str(error).strip().splitlines()[0]:.120})"
        raise BadInput(f"{field}.ray", what, f"Start one with `ray start`, or take {field} out") from None
    try:
        yield
    finally:
        ray.shutdown()


def started(kind: type[Worker], place: Elsewhere, field: str, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Start actors, spread over the nodes: one for each tuple of arguments after `threads`.

    On CPUs an actor reserves nothing, so that actors of a lost node can always restart on another. On GPUs each actor
    reserves one.

    Raises:
        BadInput: The cluster has GPUs, but fewer than workers.
    """
    import ray

    has = ray.cluster_resources()
    cpus, gpus = int(has.get("CPU", 1)), int(has.get("GPU", 0))
    if 0 < gpus < place.workers:
        raise BadInput(f"{field}.workers", f"{place.workers}, where the cluster has {gpus} GPUs", f"Set it to {gpus}")
    reserved = {"num_cpus": 0, "num_gpus": 1} if gpus else {}
    # Restarts are limited; repeated calls are not: Ray repeats calls several times before it declares a node lost.
    again = {"max_restarts": _LIVES, "max_task_retries": -1}
    actor = ray.remote(kind).options(scheduling_strategy="SPREAD", **again, **reserved)
    return [actor.remote(max(1, cpus // place.workers), *one) for one in arguments]
