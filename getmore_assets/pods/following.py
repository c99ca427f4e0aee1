"""Watching a pod until its worker ends.

Belongs here: the pod's log, and reading from the cluster's description how the worker ended or why it does not start.
Does not: the meaning of an exit code (`launch.py`).
"""

import codecs
import logging
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from getmore_assets.errors import redacted
from getmore_assets.pods.api import ANSWER_S, LOOK_EVERY_S, PATIENCE_S, Cluster, PodLostError
from getmore_assets.pods.manifest import WORKER

log = logging.getLogger(__name__)

_SILENCE_S = 300  # after so long without a line the log is requested again: the connection may be lost
_LOG_END_S = 30  # timeout for the rest of the log after the worker's end
_CHARS = 2000  # length of the end of a log that messages show
_FATAL = {
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
}


@dataclass(frozen=True)
class PodExit:
    """The end of a worker in its pod.

    Attributes:
        code: As in subprocess: an exit code, or minus a signal. None if the worker did not run to its end.
        said: The end of the log if the code is an error. Without a code the reason, as the end of a sentence that
            begins with `the worker`.
        taken: Whether the worker was ended from outside, so that a retry may work.
    """

    code: int | None
    said: str
    taken: bool = False


def wait_for_worker(cluster: Cluster) -> PodExit:
    """Wait for the worker of a created pod, and write its log to stderr.

    Raises:
        PodLostError: The worker does not start, its pod was deleted, or the cluster no longer answers.
    """
    started, field, place = time.monotonic(), cluster.request.field, cluster.request.place
    log_stream: threading.Thread | None = None
    deleted = 0.0
    while True:
        pod = _read_pod(cluster)
        if pod is None:
            raise PodLostError("has lost its pod: somebody deleted it, or its node; run again to go on", taken=True)
        state = _state(pod)
        if state and (state.running or state.terminated) and log_stream is None:
            log_stream = threading.Thread(target=_stream_log, args=(cluster,), daemon=True)
            log_stream.start()
        if (state and state.terminated) or pod.status.phase in ("Failed", "Succeeded"):
            if log_stream:
                log_stream.join(_LOG_END_S)
            return _exit_of(pod, state.terminated if state else None, field)
        waiting = _reason_to_wait(pod, state)
        if waiting and waiting[0] in _FATAL:
            raise PodLostError(f"cannot start in its pod: {': '.join(waiting)}. Correct {field}, or what it names")
        if log_stream is None and time.monotonic() - started > place.start_timeout:
            why = ": ".join([*waiting, "`kubectl get events` may say why"][:2])
            fix = f"Ask for less in {field}, or raise its start_timeout"
            raise PodLostError(f"did not start in a pod within {place.start_timeout} s: {why}. {fix}")
        if pod.metadata.deletion_timestamp:
            deleted = deleted or time.monotonic()
            if time.monotonic() - deleted > PATIENCE_S:
                raise PodLostError(
                    "has lost its pod: it was deleted, and its node does not answer; run again to go on", taken=True
                )
        time.sleep(LOOK_EVERY_S)


def _read_pod(cluster: Cluster) -> Any | None:
    """Return the cluster's description of the pod; retry for a while if the cluster does not answer."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return cluster.pod(cluster.request.name)
        except (ApiException, HTTPError) as error:
            if time.monotonic() > until:
                raise PodLostError(
                    f"was left: the cluster has not answered for {PATIENCE_S} s; run again to go on"
                ) from error
            log.warning("the cluster does not answer (%s); trying again", type(error).__name__)
            time.sleep(LOOK_EVERY_S)


def _state(pod: Any) -> Any | None:
    """Return the state of the worker's container: waiting, running or terminated. The pod may have other containers."""
    statuses = pod.status.container_statuses or []
    return next((status.state for status in statuses if status.name == WORKER), None)


def _conditions(pod: Any, kind: str, status: str) -> list[Any]:
    return [
        condition for condition in pod.status.conditions or [] if (condition.type, condition.status) == (kind, status)
    ]


def _reason_to_wait(pod: Any, state: Any | None) -> list[str]:
    """Return the reason and the message of a pod that waits."""
    for cause in [*_conditions(pod, "PodScheduled", "False"), state.waiting if state else None]:
        if cause and cause.reason:
            return [cause.reason, *([redacted(cause.message)] if cause.message else [])]
    return []


def _exit_of(pod: Any, terminated: Any | None, field: str) -> PodExit:
    """Return the exit of a worker that has ended.

    Raises:
        PodLostError: The worker was ended from outside, or never ran.
    """
    if terminated and terminated.exit_code <= 128 and terminated.reason not in ("StartError", "ContainerCannotRun"):
        message = redacted(terminated.message or "")[-_CHARS:].strip()
        return PodExit(terminated.exit_code, message if terminated.exit_code else "")
    for cause in [pod.status, *_conditions(pod, "DisruptionTarget", "True"), terminated]:
        if cause and cause.reason not in (None, "Error"):
            why = f"{cause.reason}: {redacted(cause.message)[-_CHARS:].strip()}" if cause.message else cause.reason
            fix = _FIXES.get(cause.reason, "Run again to go on").format(field)
            raise PodLostError(f"was ended in its pod: {why}. {fix}", taken=cause.reason not in _NOT_RETRYABLE)
    if pod.metadata.deletion_timestamp:
        raise PodLostError("has lost its pod: somebody deleted it; run again to go on", taken=True)
    if terminated is None:
        raise PodLostError("was ended in its pod, and the cluster does not say why; run again to go on", taken=True)
    return PodExit(128 - terminated.exit_code, "")


_NOT_RETRYABLE = ("DeadlineExceeded", "StartError", "ContainerCannotRun")
_FIXES = {
    "OOMKilled": "Raise {}.memory, or lower encoder.batch_tokens, transport.memory_mb or a batch size",
    "Evicted": "Set {}.memory to the memory that it needs, so that it gets a node with enough; run again to go on",
    "DeadlineExceeded": "Raise {}.active_deadline_seconds; run again to go on",
    "StartError": "Correct {}.image: it must have `python`, and this package",
    "ContainerCannotRun": "Correct {}.image: it must have `python`, and this package",
}


def _stream_log(cluster: Cluster) -> None:
    """Stream the worker's log to stderr. After a lost connection the log continues, and may repeat a second of it."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    decoder, received = codecs.getincrementaldecoder("utf-8")("replace"), None
    options = {"container": WORKER, "follow": True, "_preload_content": False}
    options["_request_timeout"] = (ANSWER_S[0], _SILENCE_S)
    name, namespace = cluster.request.name, cluster.namespace
    while True:
        since: dict[str, int] = {} if received is None else {"since_seconds": int(time.monotonic() - received) + 1}
        try:
            answer = cluster.api.read_namespaced_pod_log(name, namespace, **options, **since)
            for chunk in answer.stream(decode_content=False):
                received = time.monotonic()
                sys.stderr.write(decoder.decode(chunk))
                sys.stderr.flush()
            pod = cluster.pod(name)
            state = _state(pod) if pod else None
            if not (state and state.running):
                return
        except (ApiException, HTTPError) as error:
            if getattr(error, "status", None) in (403, 404):
                log.warning("the log of the pod cannot be read (%s)", getattr(error, "reason", ""))
                return
        time.sleep(LOOK_EVERY_S)
