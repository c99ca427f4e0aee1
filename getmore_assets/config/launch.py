"""Where stages run.

Belongs here: fields, their defaults and their limits. No field changes a stage's result. Does not: starting anything
(`launch.py`, `cluster.py`, `pods/`).
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from getmore_assets.config.sources import Section

_DAY = 24 * 60 * 60

#: How processes share a training; with torch's names.
Strategy = Literal["ddp", "fsdp"]


class Pod(Section):
    """A pod of Kubernetes that a stage's worker runs in; the stage itself stays on this machine."""

    image: str = Field(min_length=1, description="image with this package, in the version of the run")
    namespace: str | None = Field(
        None, description="without it, the namespace of the run's own pod or of kubectl's current context"
    )
    volume_claim: str = Field(min_length=1, description="claim of the volume that contains the lake")
    mount_path: str = Field(
        pattern=r"^(/[\w.-]+)+$",
        description="mount path of the volume, on this machine and in the pod; the lake is below it",
    )
    gpus: int = Field(1, ge=0, description="`nvidia.com/gpu` in limits")
    cpu: int | None = Field(None, ge=1, description="cores, in requests and limits")
    memory: str | None = Field(None, pattern=r"^[1-9]\d*[MGT]i?$", description="in requests and limits, such as 16Gi")
    node_selector: dict[str, str] = Field({}, description="labels that a node must have")
    service_account: str | None = Field(None, description="service account for pull secrets; its token is not mounted")
    start_timeout: int = Field(900, ge=1, description="seconds that the pod may wait for a node and its image")
    active_deadline_seconds: int = Field(
        _DAY, ge=1, description="limit of the pod's life in seconds, even if the run that created it is killed"
    )


#: The address of a Ray cluster.
RayAddress = Annotated[
    str | None,
    Field(
        pattern=r"^(auto|local|(ray://)?[\w.-]+:\d+)$",
        description="auto: the cluster that this machine is a node of | local: a cluster that starts here and "
        "ends with the stage | host:6379 | ray://host:10001",
    ),
]


class Processes(Section):
    """The processes that share a stage's work, and their machines."""

    processes: int = Field(
        1, ge=1, description="processes of torchrun on each node, one per GPU if there are GPUs; they share each batch"
    )
    nnodes: int = Field(
        1,
        ge=1,
        description="nodes that share a training: of the Ray cluster in `ray`, or machines; without Ray, run "
        "`getmore_assets.workers.node` on the others",
    )
    rdzv_endpoint: str | None = Field(
        None,
        pattern=r"^[\w.-]+:\d+$",
        description="host:port on this machine, to which the other nodes connect; not with `ray`",
    )
    strategy: Strategy = Field(
        "ddp",
        description="ddp: each process holds the whole model | fsdp: weights, gradients and optimizer states are "
        "sharded over the processes",
    )
    pod: Pod | None = Field(None, description="a pod of Kubernetes instead of this machine")
    ray: RayAddress = None

    @property
    def nodes(self) -> tuple[int, str] | None:
        """The number of machines and the rendezvous endpoint; None for one machine, and on Ray."""
        return (self.nnodes, self.rdzv_endpoint) if self.rdzv_endpoint else None

    @property
    def total(self) -> int:
        """The number of processes on all nodes."""
        return self.processes * self.nnodes

    @model_validator(mode="after")
    def _nodes_can_meet(self) -> "Processes":
        if self.nnodes > 1 and self.pod:
            raise ValueError("a pod is one node: remove `nnodes` and `rdzv_endpoint`, or `pod`")
        if self.ray and (self.pod or self.rdzv_endpoint):
            raise ValueError("Ray chooses the nodes and where they meet: remove `ray`, or `pod` and `rdzv_endpoint`")
        if not self.ray and (self.nnodes > 1) != (self.rdzv_endpoint is not None):
            raise ValueError("without `ray`, `nnodes` above 1 and `rdzv_endpoint` go together: give both or neither")
        return self


class Texts(Section):
    """The processes for the work on texts that needs no model."""

    processes: int | None = Field(
        None, ge=1, description="on this machine, from the ninth batch of 8,192 rows on; without it, one per processor"
    )
    ray: RayAddress = None

    @model_validator(mode="after")
    def _is_one_place(self) -> "Texts":
        if self.processes is not None and self.ray is not None:
            raise ValueError("name one place, either `processes` or `ray`")
        return self


class Elsewhere(Section):
    """A Ray cluster or a pod for a stage's work."""

    ray: RayAddress = None
    workers: int = Field(2, ge=1, description="Ray's processes, which share its processors; at most one per GPU")
    pod: Pod | None = Field(None, description="a pod of Kubernetes, instead of a Ray cluster")

    @model_validator(mode="after")
    def _is_one_place(self) -> "Elsewhere":
        if (self.ray is None) == (self.pod is None):
            raise ValueError("name one place, either `ray` or `pod`")
        return self


class Launch(Section):
    """Where each stage runs."""

    texts: Texts = Field(
        Texts(), description="cleaning, near-duplicates, leakage, and lexical vectors where `embed` names no place"
    )
    embed: Elsewhere | None = Field(None, description="for encoding, also by domain_triage; without it, this machine")
    solve: Elsewhere | None = Field(None, description="for the passes over the candidates; without it, this machine")
    train: Processes = Processes()

    def pods(self) -> dict[str, Pod]:
        """The pods of all stages, by field of the task file."""
        places = {"embed": self.embed, "solve": self.solve, "train": self.train}
        return {f"launch.{name}.pod": place.pod for name, place in places.items() if place and place.pod}
