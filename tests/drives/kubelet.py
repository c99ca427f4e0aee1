"""A one-node cluster on loopback: the part of Kubernetes' API that concerns pods, and a kubelet without containers.

A pod manifest must be read completely by the models of Kubernetes' client: an unknown field is an error. A container's
command is run as a process; a volume is the folder that it is mounted at.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

ROOT = Path(__file__).parents[2]
IMAGE = "getmore-code:0.1.0"
TOKEN = "the-token-of-the-kubeconfig"
_PODS = re.compile(r"/api/v1/namespaces/([\w-]+)/pods(?:/([\w.-]+)(/log)?)?")


@dataclass
class Pod:
    """A pod, and its process if it has one."""

    body: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deleted: bool = False

    @property
    def over(self) -> bool:
        return self.process is None or self.process.poll() is not None


@dataclass
class Node:
    """The node, its pods and their events.

    Attributes:
        folder: The folder of logs.
        claims: The mount path of each volume claim.
        gpus: The number of free GPUs.
        images: The images in the registry, each with a shell line that runs the container's command as "$@"; the
            container of an image without a line is never created.
        evicts: The reason and message with which pods are evicted.
        forbidden: The (verb, resource) pairs that the account may not use.
        away: The number of next reads of a pod that are answered with 503.
    """

    folder: Path
    claims: dict[str, str]
    gpus: int = 1
    images: dict[str, str | None] = field(default_factory=lambda: {IMAGE: 'exec "$@"'})
    evicts: tuple[str, str] | None = None
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    away: int = 0
    pods: dict[str, Pod] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)

    def create(self, body: dict[str, Any]) -> Pod:
        """Create a pod, and start its container if it can be scheduled."""
        from kubernetes.client import ApiClient

        read = ApiClient().deserialize(SimpleNamespace(data=json.dumps(body)), "V1Pod")
        assert ApiClient().sanitize_for_serialization(read) == body, "Kubernetes does not know a field"
        name = body["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name), name
        for key, value in body["metadata"]["labels"].items():
            assert re.fullmatch(r"([\w.-]+/)?\w[\w.-]{0,62}", key), key
            assert re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value), value
        body["metadata"]["uid"] = str(uuid.uuid4())
        pod = self.pods[name] = Pod(body, self.folder / f"{body['metadata']['uid']}.log")
        pod.log.touch()
        self.events.append(f"created {name}")
        self.made.append(body)
        if not self._unmet(pod) and self.images.get(self._container(pod)["image"]):
            pod.process = self._start(pod)
        return pod

    def _start(self, pod: Pod) -> subprocess.Popen[bytes]:
        own = self._container(pod)
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        # The node has this machine's processor: the variables that choose its kernels are passed on.
        environment |= {
            key: value for key, value in os.environ.items() if key.startswith(("OPENBLAS_", "OMP_", "MKL_"))
        }
        environment |= {one["name"]: one["value"] for one in own.get("env", [])}
        command = ["sh", "-c", self.images[own["image"]], "sh", *own["command"]]
        with pod.log.open("wb") as stream:
            return subprocess.Popen(
                command, env=environment, cwd=own["workingDir"], stdout=stream, stderr=stream, start_new_session=True
            )

    @staticmethod
    def _container(pod: Pod) -> dict[str, Any]:
        return pod.body["spec"]["containers"][0]

    def _unmet(self, pod: Pod) -> str:
        """Return why the pod cannot be scheduled, or an empty string."""
        for volume in pod.body["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                mounts = {one["name"]: one["mountPath"] for one in self._container(pod)["volumeMounts"]}
                if self.claims.get(claim) != mounts[volume["name"]]:
                    return f'persistentvolumeclaim "{claim}" not found'
        gpus = int(self._container(pod).get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0))
        return "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." if gpus > self.gpus else ""

    def with_status(self, pod: Pod) -> dict[str, Any]:
        """Return a pod with its status."""
        status: dict[str, Any] = {"phase": "Pending"}
        metadata = dict(pod.body["metadata"])
        if pod.deleted:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        own, unmet = self._container(pod), self._unmet(pod)
        if unmet:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unmet}
            status["conditions"] = [condition]
        elif pod.process is None:
            waiting = {"reason": "ContainerCreating"}
            if own["image"] not in self.images:
                waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{own["image"]}"'}
            status["containerStatuses"] = [self._status(own, {"waiting": waiting})]
        elif (code := pod.process.poll()) is None:
            status = {"phase": "Running", "containerStatuses": [self._status(own, {"running": {}})]}
        else:
            ended = {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}
            if code == -signal.SIGKILL and not pod.deleted and not self.evicts:
                ended["reason"] = "OOMKilled"  # no other sender of SIGKILL is simulated
            if code and own.get("terminationMessagePolicy") == "FallbackToLogsOnError":
                ended["message"] = pod.log.read_text("utf-8", "replace")[-2048:]
            status = {"phase": "Failed" if code else "Succeeded"}
            status["containerStatuses"] = [self._status(own, {"terminated": ended})]
            if self.evicts:
                status["reason"], status["message"] = self.evicts
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod.body["spec"], "status": status}

    @staticmethod
    def _status(own: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        common = {"name": own["name"], "image": own["image"], "imageID": "", "ready": False, "restartCount": 0}
        return {**common, "state": state}

    def delete(self, pod: Pod, grace_s: float) -> None:
        """Stop the container, then remove the pod."""
        if not pod.deleted:
            pod.deleted = True
            threading.Thread(target=self._end, args=(pod, grace_s), daemon=True).start()

    def _end(self, pod: Pod, grace_s: float) -> None:
        name = pod.body["metadata"]["name"]
        if pod.process is not None:
            for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10)):
                if pod.process.poll() is None:
                    os.killpg(pod.process.pid, number)
                    try:
                        pod.process.wait(wait_s)
                    except subprocess.TimeoutExpired:
                        continue
        assert pod.over
        if self.pods.get(name) is pod:
            self.events.append(f"gone {name}")
            del self.pods[name]

    def wait_until_empty(self, seconds: float = 60) -> None:
        """Wait until no pod is left."""
        until = time.monotonic() + seconds
        while self.pods:
            assert time.monotonic() < until, list(self.pods)
            time.sleep(0.05)


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    node: Node

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, code: int, message: str) -> None:
        self._answer(
            code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
        )

    def _allowed(self, verb: str) -> tuple[str, str, dict[str, str]] | None:
        """Return the name, subresource and query of a request, or refuse the request."""
        address = urlsplit(self.path)
        namespace, name, log = _PODS.fullmatch(address.path).groups()
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._refuse(401, "Unauthorized")
        elif (verb, f"pods{log or ''}") in self.node.forbidden:
            self._refuse(403, f'pods is forbidden: User "runs" cannot {verb} resource "pods{log or ""}"')
        elif namespace != "lab":
            self._refuse(404, f'namespaces "{namespace}" not found')
        elif name and name not in self.node.pods:
            self._refuse(404, f'pods "{name}" not found')
        else:
            return name or "", log or "", query
        return None

    def do_GET(self) -> None:
        request = self._allowed("list" if self.path.partition("?")[0].endswith("/pods") else "get")
        if request is None:
            return
        name, log, query = request
        if not name:
            key, _, value = query["labelSelector"].partition("=")
            pods = [pod for pod in list(self.node.pods.values()) if pod.body["metadata"]["labels"].get(key) == value]
            items = [self.node.with_status(pod) for pod in pods]
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        elif log:
            self._stream(self.node.pods[name])
        elif self.node.away:
            self.node.away -= 1
            self._refuse(503, "the server is currently unable to handle the request")
        else:
            self._answer(200, self.node.with_status(self.node.pods[name]))

    def _stream(self, pod: Pod) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with pod.log.open("rb") as stream:
            while True:
                last, content = pod.over, stream.read()
                if content:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
                elif last:
                    break
                time.sleep(0.02)
        self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._allowed("create") is None:
            return
        if (name := body["metadata"]["name"]) in self.node.pods:
            self._refuse(409, f'pods "{name}" already exists')
        else:
            self._answer(201, self.node.with_status(self.node.create(body)))

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        request = self._allowed("delete")
        if request:
            pod = self.node.pods[request[0]]
            self.node.delete(pod, float(request[2]["gracePeriodSeconds"]))
            self._answer(200, self.node.with_status(pod))


@contextmanager
def cluster(volume: Path, kubeconfig: Path) -> Iterator[Node]:
    """Run a cluster whose claim `lake` is mounted at a folder; write a kubeconfig for its namespace `lab`."""
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder), {"lake": str(volume)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"node": node}))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host = f"http://127.0.0.1:{server.server_address[1]}"
        here = {"cluster": "here", "user": "me", "namespace": "lab"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": here}],
            "clusters": [{"name": "here", "cluster": {"server": host}}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
        }
        kubeconfig.write_text(yaml.safe_dump(content), "utf-8")
        try:
            yield node
        finally:
            for pod in list(node.pods.values()):
                node.delete(pod, 0.1)
            node.wait_until_empty()
            server.shutdown()
            server.server_close()
            thread.join()
