"""Several machines (nodes) that share a training: how the first tells the others what to start.

Belongs here: the call, a file in the lake that all nodes see. Does not: starting processes (`launch.py`), or what the
other nodes run (`workers/node.py`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from getmore_assets.corpus.identity import fingerprint
from getmore_assets.records import write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Nodes:
    """The nodes of a training, and where they meet: `host:port` of the node that runs the stage."""

    count: int
    endpoint: str

    def arguments(self, result: Path) -> list[str]:
        """Return torchrun's arguments; `result` is the file of the worker's result."""
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", self.endpoint, "--rdzv-id", fingerprint(str(result))]
        return ["--nnodes", str(self.count), *meeting]

    def file(self, work: Path) -> Path:
        """Return the file of the call; `work` is the lake's folder of that name."""
        return work / f"nodes-{self.endpoint.replace(':', '-')}.json"

    @contextmanager
    def called(self, worker: str, spec: Path, result: Path, processes: int) -> Iterator[None]:
        """Call the other nodes within the context.

        Args:
            worker: Name of the worker.
            spec: File of the worker's spec, in a folder of the lake's `work`.
            result: File of its result.
            processes: Processes of a node.
        """
        file = self.file(spec.parents[1])
        log.info(
            "waiting for %d nodes at %s: getmore_assets.workers.node must run there", self.count - 1, self.endpoint
        )
        write_atomically(file, Call(worker=worker, spec=spec, result=result, processes=processes).model_dump_json())
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


class Call(BaseModel):
    """The worker and files that the other nodes start; a call contains no code."""

    worker: Literal["train"]
    spec: Path
    result: Path
    processes: int
