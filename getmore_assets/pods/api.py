"""Requests to a cluster's API for one pod.

Belongs here: finding the cluster, sending requests, and turning errors into messages. Does not: the pod's manifest
(`manifest.py`), or how the pod ended (`following.py`).
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from getmore_assets.errors import BadInput, redacted
from getmore_assets.pods.manifest import GRACE_S, PodRequest, pod_manifest

log = logging.getLogger(__name__)

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")  # exists in a pod
LOOK_EVERY_S = 1.0
PATIENCE_S = 300  # timeout for a cluster that does not answer, and for a node that does not end a pod
ANSWER_S = (10, 60)  # timeouts for a connection and for an answer


class PodLostError(Exception):
    """Raised when the pod did not start, or disappeared before its worker ended.

    Args:
        message: The end of a sentence that begins with `the worker`.
        taken: Whether the worker was ended from outside (memory, pre-emption, a lost node), so that a retry may work.
    """

    def __init__(self, message: str, taken: bool = False) -> None:
        super().__init__(message)
        self.taken = taken


@contextmanager
def request_errors(request: PodRequest, host: str) -> Iterator[None]:
    """Turn errors of a request into `BadInput` if the user can correct the cause, else into `PodLostError`."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        message = _message(error)
        if error.status in (401, 403):
            fix = "Give its account the rights in deploy/kubernetes/workers.yaml, and check the quota"
            raise BadInput(request.field, f"the cluster does not allow it: {message}", fix) from None
        if error.status in (400, 404, 422):
            raise BadInput(request.field, f"the cluster refuses it: {message}", "Correct the field") from None
        raise PodLostError(f"got no pod: the cluster says {error.status}: {message}") from None
    except HTTPError as error:
        what = f"no cluster answers at {host} ({type(getattr(error, 'reason', error)).__name__})"
        fix = f"Check that `kubectl get pods` works here, or take {request.field} out"
        raise BadInput(request.field, what, fix) from None


def _message(error: Any) -> str:
    """Return the cluster's message in an error."""
    with suppress(ValueError, TypeError, KeyError):
        return redacted(str(json.loads(error.body)["message"]))
    return str(error.reason)


class Cluster:
    """The cluster in which one pod is created.

    Raises:
        BadInput: This machine has no configuration of a cluster.
    """

    def __init__(self, request: PodRequest) -> None:
        from kubernetes import client, config

        self.request, settings = request, client.Configuration()
        try:
            config.load_incluster_config(settings)
            own = OWN_NAMESPACE.read_text("utf-8").strip()
        except config.ConfigException:
            try:
                file = os.environ.get("KUBECONFIG")
                config.load_kube_config(file, client_configuration=settings)
                own = config.list_kube_config_contexts(file)[1]["context"].get("namespace", "default")
            except config.ConfigException as error:
                fix = f"Run in a pod with a service account, set KUBECONFIG, or take {request.field} out"
                raise BadInput(request.field, f"no cluster is known here ({error})", fix) from None
        self.host, self.namespace = redacted(settings.host), request.place.namespace or own
        self.api = client.CoreV1Api(client.ApiClient(settings))
        self._may_exist = False

    def pod(self, name: str) -> Any | None:
        """Return the cluster's description of a pod in the namespace, or None."""
        from kubernetes.client import ApiException

        try:
            return self.api.read_namespaced_pod(name, self.namespace, _request_timeout=ANSWER_S)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def leftovers(self) -> set[str]:
        """Return the names of pods that a killed launcher may have left, for this stage or this work folder."""
        selector = f"getmore/work={self.request.labels['getmore/work']}"
        pods = self.api.list_namespaced_pod(self.namespace, label_selector=selector, _request_timeout=ANSWER_S)
        return {self.request.name, *(pod.metadata.name for pod in pods.items)}

    def delete_and_wait(self, name: str) -> None:
        """Delete a pod, and wait until it has ended: two pods must not write at the same time.

        Raises:
            PodLostError: The pod's node does not end it.
        """
        until = time.monotonic() + PATIENCE_S
        if (pod := self.pod(name)) is None:
            return
        if not pod.metadata.deletion_timestamp:
            log.warning("deleting pod %s, which a killed run left", name)
        self._delete(name)
        while self.pod(name) is not None:
            if time.monotonic() > until:
                fix = f"check its node, or kubectl delete pod {name} --namespace {self.namespace} --force"
                raise PodLostError(f"was not started: pod {name} of an earlier run does not end; {fix}")
            time.sleep(LOOK_EVERY_S)

    def create(self, arguments: list[str], environment: dict[str, str], processes: int) -> None:
        """Create the pod."""
        from kubernetes.client import ApiException

        body = pod_manifest(self.request, arguments, environment, processes, self._owner())
        self._may_exist = True
        try:
            self.api.create_namespaced_pod(self.namespace, body, _request_timeout=ANSWER_S)
        except ApiException as error:
            self._may_exist = error.status is None or error.status >= 500  # else a pod of that name is another's
            raise
        log.info("%s: pod %s in namespace %s", self.request.stage, self.request.name, self.namespace)

    def _owner(self) -> list[Any]:
        """Return an owner reference to this process's pod, if any: the cluster deletes both pods together."""
        from kubernetes.client import V1OwnerReference

        if not OWN_NAMESPACE.is_file() or OWN_NAMESPACE.read_text("utf-8").strip() != self.namespace:
            return []
        own = self.pod(socket.gethostname())
        return [V1OwnerReference("v1", kind="Pod", name=own.metadata.name, uid=own.metadata.uid)] if own else []

    def delete(self) -> None:
        """Delete the pod; if that fails, log a warning and leave the pod to the next run."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            if self._may_exist:
                self._delete(self.request.name)
        except (ApiException, HTTPError) as error:
            name = f"{self.request.name} --namespace {self.namespace}"
            log.warning("the pod could not be deleted (%s): kubectl delete pod %s", type(error).__name__, name)

    def _delete(self, name: str) -> None:
        from kubernetes.client import ApiException

        try:
            self.api.delete_namespaced_pod(
                name, self.namespace, grace_period_seconds=GRACE_S, _request_timeout=ANSWER_S
            )
        except ApiException as error:
            if error.status != 404:
                raise
