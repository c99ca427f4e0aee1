"""Where stations run.

Belongs here: fields, their defaults and their limits. None of them decides what a station makes. Does not: starting
anything (`launch.py`, `cluster.py`).
"""

from pydantic import Field

from getmore_assets.config.sources import Section


class Processes(Section):
    """How many processes of this machine do a station's work together."""

    processes: int = Field(
        1, ge=1, description="under torchrun, one a GPU where there are GPUs; batches are shared out"
    )


class OnRay(Section):
    """A Ray cluster that a station's work is spread over; the station itself, and the lake, stay on this machine."""

    ray: str = Field(
        "auto",
        pattern=r"^(auto|local|(ray://)?[\w.-]+:\d+)$",
        description="auto: the cluster that this machine is a node of | local: one that is started here and ended "
        "with the station | host:6379 | ray://host:10001",
    )
    workers: int = Field(2, ge=1, description="processes, which share out the cluster's processors; one a GPU at most")


class Launch(Section):
    """Where each station runs."""

    embed: OnRay | None = Field(None, description="encoding, also that for domain_triage; on this machine without it")
    solve: OnRay | None = Field(None, description="the passes over the candidates; on this machine without it")
    train: Processes = Processes()
