"""A pod of Kubernetes that a worker runs in.

Belongs here: making it, following it to its end, and taking it away. Does not: what a worker's exit code means
(`launch.py`). Kubernetes' client is an extra: it is imported only where a task asks for a pod. Dagster pipes' client is
not used: it would need a context of Dagster's in the library, and results come over the lake's volume anyway.
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
    """Run Python in a pod, with its log in ours. The pod is deleted however this ends, an earlier one before it starts.

    Args:
        wanted: The pod.
        arguments: Of `python`.
        environment: Variables to set beside the image's.
        processes: How many the arguments start.

    Raises:
        BadInput: The lake cannot be seen from it, no cluster answers, or it does not take the pod.
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
    """Let SIGTERM end this process by an exception, so that the pod is deleted; unless somebody else handles it."""
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
