"""A pod of Kubernetes that a worker runs in.

Belongs here: creating it, watching it to its end, and deleting it. Does not: the meaning of a worker's exit code
(`launch.py`). Kubernetes' client is an extra: it is imported only where a task names a pod. Dagster Pipes is not used:
its client needs a Dagster context, which the library does not have, and results come over the lake's volume anyway.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from getmore_assets.pods.api import Cluster, PodLostError, refusals
from getmore_assets.pods.following import PodExit, followed
from getmore_assets.pods.manifest import PodRequest, require_lake

__all__ = ["PodExit", "PodRequest", "require_lake", "run"]


def run(wanted: PodRequest, arguments: list[str], environment: dict[str, str], processes: int) -> PodExit:
    """Run Python in a pod, and write its log to stderr.

    A pod left by an earlier run is deleted first. This pod is deleted at the end, also after an error.

    Args:
        wanted: The pod to create.
        arguments: Arguments of `python`.
        environment: Environment variables to add to those of the image.
        processes: Number of processes that the arguments start.

    Raises:
        BadInput: The pod would not see the lake, no cluster answers, or the cluster refuses the pod.
    """
    require_lake(wanted.place, wanted.field, wanted.lake)
    with _killed_by_exception():
        cluster = Cluster(wanted)
        try:
            with refusals(wanted, cluster.host):
                for name in cluster.earlier():
                    cluster.clear(name)
            try:
                with refusals(wanted, cluster.host):
                    cluster.create(arguments, environment, processes)
                return followed(cluster)
            finally:
                cluster.delete_or_say()
        except PodLostError as lost:
            return PodExit(None, str(lost), lost.taken)


@contextmanager
def _killed_by_exception() -> Iterator[None]:
    """Let SIGTERM raise an exception, so that the pod is deleted; keep a handler that is set already."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, _frame: Any) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
