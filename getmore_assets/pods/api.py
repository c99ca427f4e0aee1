"""The part of a cluster's API that one pod needs.

Belongs here: finding the cluster, sending requests, and turning refusals into messages. Does not: the manifest of the
pod (`manifest.py`), or when it has ended (`following.py`).
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
from getmore_assets.pods.manifest import GRACE_S, PodRequest, described

log = logging.getLogger(__name__)

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")  # exists in a pod
LOOK_EVERY_S = 1.0
PATIENCE_S = 300  # wait so long for a cluster that does not answer, and for a node that does not end a pod
ANSWER_S = (10, 60)  # timeouts of a connection and of an answer


class PodLostError(Exception):
    """The pod did not start, or disappeared before its worker ended; the message continues `the worker`.

    Args:
        said: The message.
        taken: Whether the worker was ended from outside (memory, pre-emption, a lost node), so that a retry may work.
    """

    def __init__(self, said: str, taken: bool = False) -> None:
        super().__init__(said)
        self.taken = taken


@contextmanager
def refusals(wanted: PodRequest, host: str) -> Iterator[None]:
    """Turn errors of a request into messages: a refusal where the user can correct it, else a lost pod."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        said = _message(error)
        if error.status in (401, 403):
            fix = "Let its account do what deploy/kubernetes/workers.yaml lists, within the quota"
            raise BadInput(wanted.field, f"the cluster does not allow it: {said}", fix) from None
        if error.status in (400, 404, 422):
            raise BadInput(wanted.field, f"the cluster refuses it: {said}", "Correct the field") from None
        raise PodLostError(f"got no pod: the cluster says {error.status}: {said}") from None
    except HTTPError as error:
        what = f"no cluster answers at {host} ({type(getattr(error, 'reason', error)).__name__})"
        raise BadInput(
            wanted.field, what, f"See that `kubectl get pods` works here, or take {wanted.field} out"
        ) from None


def _message(error: Any) -> str:
    """Return the cluster's message of an error."""
    with suppress(ValueError, TypeError, KeyError):
        return redacted(str(json.loads(error.body)["message"]))
    return str(error.reason)


class Cluster:
    """The part of a cluster's API that is needed for one pod.

    Raises:
        BadInput: No cluster is known here.
    """

    def __init__(self, wanted: PodRequest) -> None:
        from kubernetes import client, config

        self.wanted, settings = wanted, client.Configuration()
        try:
            config.load_incluster_config(settings)
            own = OWN_NAMESPACE.read_text("utf-8").strip()
        except config.ConfigException:
            try:
                file = os.environ.get("KUBECONFIG")
                config.load_kube_config(file, client_configuration=settings)
                own = config.list_kube_config_contexts(file)[1]["context"].get("namespace", "default")
            except config.ConfigException as error:
                fix = f"Run in a pod with a service account, set KUBECONFIG, or take {wanted.field} out"
                raise BadInput(wanted.field, f"no cluster is known here ({error})", fix) from None
        self.host, self.namespace = redacted(settings.host), wanted.place.namespace or own
        self.api = client.CoreV1Api(client.ApiClient(settings))
        self._may_be_there = False

    def pod(self, name: str) -> Any | None:
        """Return the cluster's present description of a pod in the namespace, or None."""
        from kubernetes.client import ApiException

        try:
            return self.api.read_namespaced_pod(name, self.namespace, _request_timeout=ANSWER_S)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def earlier(self) -> set[str]:
        """Return the pods that a killed launcher may have left: those of this stage, or of this work."""
        selector = f"getmore/work={self.wanted.labels['getmore/work']}"
        found = self.api.list_namespaced_pod(self.namespace, label_selector=selector, _request_timeout=ANSWER_S)
        return {self.wanted.name, *(pod.metadata.name for pod in found.items)}

    def clear(self, name: str) -> None:
        """Delete a pod, and wait until it has ended: two pods must not write at the same time.

        Raises:
            PodLostError: The pod's node does not end it.
        """
        until = time.monotonic() + PATIENCE_S
        if (found := self.pod(name)) is None:
            return
        if not found.metadata.deletion_timestamp:
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

        body = described(self.wanted, arguments, environment, processes, self._owner())
        self._may_be_there = True
        try:
            self.api.create_namespaced_pod(self.namespace, body, _request_timeout=ANSWER_S)
        except ApiException as error:
            self._may_be_there = error.status is None or error.status >= 500  # else a pod of that name is not ours
            raise
        log.info("%s: pod %s in namespace %s", self.wanted.stage, self.wanted.name, self.namespace)

    def _owner(self) -> list[Any]:
        """Return the owner reference to this process's pod, if any: the cluster deletes the worker's pod with it."""
        from kubernetes.client import V1OwnerReference

        if not OWN_NAMESPACE.is_file() or OWN_NAMESPACE.read_text("utf-8").strip() != self.namespace:
            return []
        own = self.pod(socket.gethostname())
        return [V1OwnerReference("v1", kind="Pod", name=own.metadata.name, uid=own.metadata.uid)] if own else []

    def delete_or_say(self) -> None:
        """Delete the pod; if that fails, warn, and leave it to the next run."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            if self._may_be_there:
                self._delete(self.wanted.name)
        except (ApiException, HTTPError) as error:
            name = f"{self.wanted.name} --namespace {self.namespace}"
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
