"""A Ray cluster that a station's work is spread over.

Belongs here: joining and leaving it, starting actors on it. Does not: what they do (`encoders/remote.py`,
`transport/passes/remote.py`). Ray is an extra: it is imported only where a task asks for it.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from getmore_assets.config import Elsewhere
from getmore_assets.errors import BadInput

_LIVES = 10  # how often an actor is started again: what kills every process it is given to must end


class Worker:
    """An actor: a process on some node that is started on another when it dies, and is then asked again.

    Args:
        threads: That torch may use.
    """

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._first = True

    def again(self) -> bool:
        """Whether what is asked of it now was asked before, of the process that it replaces."""
        import ray

        first, self._first = self._first, False
        with warnings.catch_warnings(action="ignore"):  # what Ray asks by itself is deprecated by itself
            return first and bool(ray.get_runtime_context().was_current_actor_reconstructed)


@contextmanager
def joined(place: Elsewhere, field: str) -> Iterator[None]:
    """Be part of a cluster.

    Args:
        place: Which.
        field: Of the task file, that says so.

    Raises:
        BadInput: None answers there.
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
    """Actors, spread over the nodes: one for each tuple of arguments that follow `threads`.

    On processors an actor reserves nothing, so that those of a lost node always find room on another. A GPU is an
    actor's own.

    Raises:
        BadInput: The cluster has GPUs, and fewer than workers are asked for.
    """
    import ray

    has = ray.cluster_resources()
    cpus, gpus = int(has.get("CPU", 1)), int(has.get("GPU", 0))
    if 0 < gpus < place.workers:
        raise BadInput(f"{field}.workers", f"{place.workers}, where the cluster has {gpus} GPUs", f"Set it to {gpus}")
    reserved = {"num_cpus": 0, "num_gpus": 1} if gpus else {}
    # Asking again is not counted: Ray does it several times before it takes a node for lost. Starting again is.
    again = {"max_restarts": _LIVES, "max_task_retries": -1}
    actor = ray.remote(kind).options(scheduling_strategy="SPREAD", **again, **reserved)
    return [actor.remote(max(1, cpus // place.workers), *one) for one in arguments]
