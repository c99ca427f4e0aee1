"""A cluster of one node on loopback: the part of Kubernetes' API that pods need, and a kubelet without containers.

What comes in must be a pod to Kubernetes' own models, whole: a field that they do not know is refused. A command is run
as a process; an image is the environment that one starts with, a volume the folder that it is mounted at.
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
    """A pod, and its process where it has one."""

    body: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deleted: bool = False

    @property
    def over(self) -> bool:
        return self.process is None or self.process.poll() is not None


@dataclass
class Node:
    """What the cluster has, what becomes of images, and what happened.

    Attributes:
        folder: Of logs.
        claims: Volume claims, and where each is mounted.
        gpus: Free ones.
        images: What the registry has, with a shell line that the container's command is given to as "$@"; one without a
            line is never done being made a container of.
        evicts: A reason and a message that pods end with.
        forbidden: What the account may not do: (verb, what).
        away: How many of the next looks at a pod are answered 503.
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
        """Take a pod, and start its container where it can be."""
        from kubernetes.client import ApiClient

        read = ApiClient().deserialize(SimpleNamespace(data=json.dumps(body)), "V1Pod")
        assert ApiClient().sanitize_for_serialization(read) == body, "a field that Kubernetes does not know"
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
            pod.process = self._started(pod)
        return pod

    def _started(self, pod: Pod) -> subprocess.Popen[bytes]:
        own = self._container(pod)
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        # The node's processor is this machine's: what picks its kernels here does so there.
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
        """Why no node takes it."""
        for volume in pod.body["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                mounts = {one["name"]: one["mountPath"] for one in self._container(pod)["volumeMounts"]}
                if self.claims.get(claim) != mounts[volume["name"]]:
                    return f'persistentvolumeclaim "{claim}" not found'
        asked = int(self._container(pod).get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0))
        return "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." if asked > self.gpus else ""

    def seen(self, pod: Pod) -> dict[str, Any]:
        """A pod with its status."""
        status: dict[str, Any] = {"phase": "Pending"}
        metadata = dict(pod.body["metadata"])
        if pod.deleted:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        own, unmet = self._container(pod), self._unmet(pod)
        if unmet:
            told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unmet}
            status["conditions"] = [told]
        elif pod.process is None:
            why = {"reason": "ContainerCreating"}
            if own["image"] not in self.images:
                why = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{own["image"]}"'}
            status["containerStatuses"] = [self._status(own, {"waiting": why})]
        elif (code := pod.process.poll()) is None:
            status = {"phase": "Running", "containerStatuses": [self._status(own, {"running": {}})]}
        else:
            ended = {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}
            if code == -signal.SIGKILL and not pod.deleted and not self.evicts:
                ended["reason"] = "OOMKilled"  # nobody else kills here
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
        """End the container, and then forget the pod."""
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

    def _asked(self, verb: str) -> tuple[str, str, dict[str, str]] | None:
        """Name, subresource and query of a request that is allowed."""
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
        asked = self._asked("list" if self.path.partition("?")[0].endswith("/pods") else "get")
        if asked is None:
            return
        name, log, query = asked
        if not name:
            key, _, value = query["labelSelector"].partition("=")
            found = [pod for pod in list(self.node.pods.values()) if pod.body["metadata"]["labels"].get(key) == value]
            items = [self.node.seen(pod) for pod in found]
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        elif log:
            self._stream(self.node.pods[name])
        elif self.node.away:
            self.node.away -= 1
            self._refuse(503, "the server is currently unable to handle the request")
        else:
            self._answer(200, self.node.seen(self.node.pods[name]))

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
        if self._asked("create") is None:
            return
        if (name := body["metadata"]["name"]) in self.node.pods:
            self._refuse(409, f'pods "{name}" already exists')
        else:
            self._answer(201, self.node.seen(self.node.create(body)))

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        asked = self._asked("delete")
        if asked:
            pod = self.node.pods[asked[0]]
            self.node.delete(pod, float(asked[2]["gracePeriodSeconds"]))
            self._answer(200, self.node.seen(pod))


@contextmanager
def cluster(volume: Path, kubeconfig: Path) -> Iterator[Node]:
    """A cluster whose claim `lake` is mounted at a folder, and the kubeconfig that leads to its namespace `lab`."""
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
