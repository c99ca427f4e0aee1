"""The manifest of a worker's pod.

Belongs here: the pod's name, labels and manifest. Does not: creating the pod (`api.py`).
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from getmore_assets.config import Pod
from getmore_assets.errors import BadInput

WORKER = "worker"  # the container's name
GRACE_S = 5  # seconds between SIGTERM and SIGKILL; a worker saves nothing at its end


@dataclass(frozen=True)
class PodRequest:
    """A pod to create for a worker.

    Attributes:
        place: The task file's settings of the pod.
        field: The field of the task file with these settings.
        lake: The lake's folder.
        work: The worker's folder, which one launcher uses at a time.
        task: The task's name.
        stage: The stage's name.
        run: Dagster's id of the run.
    """

    place: Pod
    field: str
    lake: Path
    work: Path
    task: str
    stage: str
    run: str

    @property
    def name(self) -> str:
        """The pod's name. A later run of the same stage and task has the same name, and so finds a leftover pod."""
        return f"getmore-{self.stage.replace('_', '-')}-{self._hash(self.lake, self.task, self.stage)}"

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels. Another task that shares the work folder finds a leftover pod by `getmore/work`."""
        return {
            "app.kubernetes.io/managed-by": "getmore-assets",
            "getmore/task": self.task[:63].rstrip("-_"),
            "getmore/stage": self.stage,
            "getmore/run": self.run[:63],
            "getmore/work": self._hash(self.work),
        }

    def _hash(self, *parts: Any) -> str:
        return hashlib.sha256(repr((self.place.volume_claim, *map(str, parts))).encode()).hexdigest()[:16]


def require_lake(place: Pod, field: str, lake: Path) -> None:
    """Refuse a lake that a pod cannot see.

    Raises:
        BadInput: The lake is not below `mount_path`.
    """
    if not Path(os.path.normpath(lake)).is_relative_to(place.mount_path):
        what = f"is {place.mount_path}, and the lake {lake} is not below it"
        fix = f"Mount the volume of the claim {place.volume_claim} at one place here and in pods, with the lake on it"
        raise BadInput(f"{field}.mount_path", what, fix)


def pod_manifest(
    request: PodRequest, arguments: list[str], environment: dict[str, str], processes: int, owner: list[Any]
) -> Any:
    """Return the pod's manifest as an object of Kubernetes' client."""
    from kubernetes import client as k8s

    place, name = request.place, "lake"
    amounts = {"cpu": str(place.cpu) if place.cpu else None, "memory": place.memory}
    amounts = {kind: amount for kind, amount in amounts.items() if amount}
    gpus = {"nvidia.com/gpu": str(place.gpus)} if place.gpus else {}
    claim = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=place.volume_claim)
    volumes, mounts = [k8s.V1Volume(name=name, persistent_volume_claim=claim)], [(name, place.mount_path)]
    if processes > 1:  # NCCL needs more shared memory than a container's default of 64 MiB
        volumes.append(k8s.V1Volume(name="shm", empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory")))
        mounts.append(("shm", "/dev/shm"))  # noqa: S108 - in a container, its own
    container = k8s.V1Container(
        name=WORKER,
        image=place.image,
        command=["python", *arguments],
        working_dir=str(Path.cwd()),  # relative paths in the task file start here
        env=[
            k8s.V1EnvVar(name=key, value=value)
            for key, value in {**_variables(place, processes), **environment}.items()
        ],
        resources=k8s.V1ResourceRequirements(requests=amounts, limits={**amounts, **gpus}),
        volume_mounts=[k8s.V1VolumeMount(name=volume, mount_path=path) for volume, path in mounts],
        security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False, capabilities=k8s.V1Capabilities(drop=["ALL"])
        ),
        termination_message_policy="FallbackToLogsOnError",
    )
    # The launcher's user, so that launcher and worker may change each other's files; if the launcher is root, the
    # image's user, because no worker runs as root.
    user = {"run_as_user": os.getuid(), "run_as_group": os.getgid()} if os.getuid() else {}
    taint = k8s.V1Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
    spec = k8s.V1PodSpec(
        containers=[container],
        volumes=volumes,
        restart_policy="Never",
        active_deadline_seconds=place.active_deadline_seconds,
        termination_grace_period_seconds=GRACE_S,
        share_process_namespace=True,  # without it the worker is process 1, which ignores SIGTERM
        node_selector=place.node_selector,
        tolerations=[taint] if place.gpus else [],
        service_account_name=place.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"), **user
        ),
    )
    metadata = k8s.V1ObjectMeta(name=request.name, labels=request.labels, owner_references=owner)
    return k8s.V1Pod(api_version="v1", kind="Pod", metadata=metadata, spec=spec)


def _variables(place: Pod, processes: int) -> dict[str, str]:
    """Return a worker's environment variables: the folder of models and the number of threads, but no secret."""
    variables = {name: os.environ[name] for name in ("HF_HOME", "HF_HUB_OFFLINE") if name in os.environ}
    if not Path(variables.get("HF_HOME", "")).is_relative_to(place.mount_path):
        variables.pop("HF_HOME", None)
    if place.cpu:
        variables["OMP_NUM_THREADS"] = str(max(1, place.cpu // processes))
    if processes > 1:
        variables["GLOO_SOCKET_IFNAME"] = "lo"
    return variables
