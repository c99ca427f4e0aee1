"""Watching a pod until its worker ends.

Belongs here: the pod's log, and reading from the cluster's description whether the worker ended, how, and why it does
not start. Does not: the meaning of an exit code (`launch.py`).
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

_SILENCE_S = 300  # without a line for so long, the log is requested again: its connection may be lost
_LAST_WORDS_S = 30
_CHARS = 2000  # length of the end of a log that messages show
_HOPELESS = {
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
        said: The end of the log if the code is an error; without a code the reason, which continues `the worker`.
        taken: Whether the worker was ended from outside, so that a retry may work.
    """

    code: int | None
    said: str
    taken: bool = False


def followed(cluster: Cluster) -> PodExit:
    """Wait for the worker of a created pod, and write its log to stderr.

    Raises:
        PodLostError: The worker does not start, its pod was deleted, or the cluster no longer answers.
    """
    started, field, place = time.monotonic(), cluster.wanted.field, cluster.wanted.place
    speaker: threading.Thread | None = None
    deleted = 0.0
    while True:
        pod = _looked_at(cluster)
        if pod is None:
            raise PodLostError("has lost its pod: somebody deleted it, or its node; run again to go on", taken=True)
        state = _state(pod)
        if state and (state.running or state.terminated) and speaker is None:
            speaker = threading.Thread(target=_speak, args=(cluster,), daemon=True)
            speaker.start()
        if (state and state.terminated) or pod.status.phase in ("Failed", "Succeeded"):
            if speaker:
                speaker.join(_LAST_WORDS_S)
            return _ended(pod, state.terminated if state else None, field)
        waits = _waits(pod, state)
        if waits and waits[0] in _HOPELESS:
            raise PodLostError(f"cannot start in its pod: {': '.join(waits)}. Correct {field}, or what it names")
        if speaker is None and time.monotonic() - started > place.start_timeout:
            why = ": ".join([*waits, "`kubectl get events` may say why"][:2])
            fix = f"Ask for less in {field}, or raise its start_timeout"
            raise PodLostError(f"did not start in a pod within {place.start_timeout} s: {why}. {fix}")
        if pod.metadata.deletion_timestamp:
            deleted = deleted or time.monotonic()
            if time.monotonic() - deleted > PATIENCE_S:
                raise PodLostError(
                    "has lost its pod: it was deleted, and its node does not answer; run again to go on", taken=True
                )
        time.sleep(LOOK_EVERY_S)


def _looked_at(cluster: Cluster) -> Any | None:
    """Return the cluster's present description of the pod; wait for a cluster that does not answer for a while."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return cluster.pod(cluster.wanted.name)
        except (ApiException, HTTPError) as error:
            if time.monotonic() > until:
                raise PodLostError(
                    f"was left: the cluster has not answered for {PATIENCE_S} s; run again to go on"
                ) from error
            log.warning("the cluster does not answer (%s); trying again", type(error).__name__)
            time.sleep(LOOK_EVERY_S)


def _state(pod: Any) -> Any | None:
    """Return the state of the worker's container: waiting, running or terminated. The pod may have other containers."""
    return next((one.state for one in pod.status.container_statuses or [] if one.name == WORKER), None)


def _waits(pod: Any, state: Any | None) -> list[str]:
    """Return the reason and the message of a pod that waits."""
    unmet = [one for one in pod.status.conditions or [] if one.type == "PodScheduled" and one.status == "False"]
    for why in [*unmet, state.waiting if state else None]:
        if why and why.reason:
            return [why.reason, *([redacted(why.message)] if why.message else [])]
    return []


def _ended(pod: Any, last: Any | None, field: str) -> PodExit:
    """Return the exit of a worker that has ended."""
    if last and last.exit_code <= 128 and last.reason not in ("StartError", "ContainerCannotRun"):
        return PodExit(last.exit_code, redacted(last.message or "")[-_CHARS:].strip() if last.exit_code else "")
    driven = [one for one in pod.status.conditions or [] if one.type == "DisruptionTarget" and one.status == "True"]
    for why in [pod.status, *driven, last]:
        if why and why.reason not in (None, "Error"):
            said = f"{why.reason}: {redacted(why.message)[-_CHARS:].strip()}" if why.message else why.reason
            fix = _FIXES.get(why.reason, "Run again to go on").format(field)
            raise PodLostError(f"was ended in its pod: {said}. {fix}", taken=why.reason not in _BY_ITSELF)
    if pod.metadata.deletion_timestamp:
        raise PodLostError("has lost its pod: somebody deleted it; run again to go on", taken=True)
    if last is None:
        raise PodLostError("was ended in its pod, and the cluster does not say why; run again to go on", taken=True)
    return PodExit(128 - last.exit_code, "")


_BY_ITSELF = ("DeadlineExceeded", "StartError", "ContainerCannotRun")
_FIXES = {
    "OOMKilled": "Raise {}.memory, or lower encoder.batch_tokens, transport.memory_mb or a batch size",
    "Evicted": "Ask for what it takes in {}.memory, so that it gets a node that has it; run again to go on",
    "DeadlineExceeded": "Raise {}.active_deadline_seconds; run again to go on",
    "StartError": "Correct {}.image: it must have `python`, and this package",
    "ContainerCannotRun": "Correct {}.image: it must have `python`, and this package",
}


def _speak(cluster: Cluster) -> None:
    """Stream the worker's log to stderr. After a lost connection it continues, and may repeat the last second."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    decoder, heard = codecs.getincrementaldecoder("utf-8")("replace"), None
    asked = {"container": WORKER, "follow": True, "_preload_content": False}
    asked["_request_timeout"] = (ANSWER_S[0], _SILENCE_S)
    while True:
        since: dict[str, int] = {} if heard is None else {"since_seconds": int(time.monotonic() - heard) + 1}
        try:
            answer = cluster.api.read_namespaced_pod_log(cluster.wanted.name, cluster.namespace, **asked, **since)
            for chunk in answer.stream(decode_content=False):
                heard = time.monotonic()
                sys.stderr.write(decoder.decode(chunk))
                sys.stderr.flush()
            pod = cluster.pod(cluster.wanted.name)
            state = _state(pod) if pod else None
            if not (state and state.running):
                return
        except (ApiException, HTTPError) as error:
            if getattr(error, "status", None) in (403, 404):
                log.warning("the log of the pod cannot be read (%s)", getattr(error, "reason", ""))
                return
        time.sleep(LOOK_EVERY_S)
