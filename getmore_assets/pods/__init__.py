"""A Kubernetes pod that a worker runs in.

Belongs here: creating the pod, watching it, and deleting it. Does not: the meaning of a worker's exit code
(`launch.py`). Kubernetes' client is an extra: it is imported only if a task names a pod. Dagster Pipes is not used: its
client needs a Dagster context, which the library does not have, and results come over the lake's volume anyway.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from getmore_assets.pods.api import Cluster, PodLostError, request_errors
from getmore_assets.pods.following import PodExit, wait_for_worker
from getmore_assets.pods.manifest import PodRequest, require_lake

__all__ = ["PodExit", "PodRequest", "require_lake", "run"]


def run(request: PodRequest, arguments: list[str], environment: dict[str, str], processes: int) -> PodExit:
    """Run Python in a pod, and write the pod's log to stderr.

    Pods left by an earlier run are deleted first. The new pod is deleted at the end, also after an error.

    Args:
        request: The pod to create.
        arguments: Arguments of `python`.
        environment: Environment variables to add to those of the image.
        processes: Number of processes that the arguments start.

    Raises:
        BadInput: The pod would not see the lake, no cluster answers, or the cluster refuses the pod.
    """
    require_lake(request.place, request.field, request.lake)
    with _exception_on_sigterm():
        cluster = Cluster(request)
        try:
            with request_errors(request, cluster.host):
                for name in cluster.leftovers():
                    cluster.delete_and_wait(name)
            try:
                with request_errors(request, cluster.host):
                    cluster.create(arguments, environment, processes)
                return wait_for_worker(cluster)
            finally:
                cluster.delete()
        except PodLostError as lost:
            return PodExit(None, str(lost), lost.taken)


@contextmanager
def _exception_on_sigterm() -> Iterator[None]:
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
