"""A Ray cluster that shares a stage's work.

Belongs here: joining and leaving the cluster, starting actors. Does not: the actors' work (`encoders/remote.py`,
`transport/passes/remote.py`). Ray is an extra: it is imported only if a task names a cluster.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from getmore_assets.config import Elsewhere
from getmore_assets.errors import BadInput

_MAX_RESTARTS = 10  # of an actor; limited, because some work may kill every process


class Worker:
    """An actor: a process on a node. If the process dies, Ray restarts it on another node and repeats the call.

    Args:
        threads: Threads of torch.
    """

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._first = True

    def again(self) -> bool:
        """Return whether this call repeats a call to a process that died."""
        import ray

        first, self._first = self._first, False
        with warnings.catch_warnings(action="ignore"):  # Ray calls its own deprecated function
            return first and bool(ray.get_runtime_context().was_current_actor_reconstructed)


@contextmanager
def joined(address: str | None, field: str) -> Iterator[None]:
    """Join a cluster for the duration of the context.

    Args:
        address: The address of the cluster, as in the task file.
        field: The field of the task file with that address.

    Raises:
        BadInput: No cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == "local" else {}
    try:
        ray.init(address, logging_level=logging.WARNING, **own)
    except ConnectionError as error:
        what = f"no Ray cluster answers at `{address}` ({str(error).strip().splitlines()[0]:.120})"
        raise BadInput(f"{field}.ray", what, f"Start one with `ray start`, or take {field} out") from None
    try:
        yield
    finally:
        ray.shutdown()


def started(kind: type[Worker], place: Elsewhere, field: str, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Start actors, spread over the nodes: one for each tuple of arguments (without `threads`).

    On CPUs actors reserve nothing, so that the actors of a lost node can always restart on another node. On GPUs each
    actor reserves one GPU.

    Raises:
        BadInput: The cluster has GPUs, but fewer than workers.
    """
    import ray

    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
    if 0 < gpus < place.workers:
        raise BadInput(f"{field}.workers", f"{place.workers}, where the cluster has {gpus} GPUs", f"Set it to {gpus}")
    reserved = {"num_cpus": 0, "num_gpus": 1} if gpus else {}
    # Restarts are limited, but not repeated calls: Ray repeats calls several times before it declares a node lost.
    retries = {"max_restarts": _MAX_RESTARTS, "max_task_retries": -1}
    actor = ray.remote(kind).options(scheduling_strategy="SPREAD", **retries, **reserved)
    return [actor.remote(max(1, cpus // place.workers), *of_one) for of_one in arguments]
