"""Several nodes that share a training: where they meet, and how the first tells the others what to start.

Belongs here: torchrun's arguments, and the call, a file in the lake that all nodes see. Does not: starting processes
(`launch.py`), what the other nodes run (`workers/node.py`), or nodes of a Ray cluster, which need no call
(`remote_worker.py`).
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
    """The nodes of a training, and where they meet.

    Attributes:
        count: Number of nodes.
        endpoint: `host:port` of the node of rank 0.
        rank: Rank of this node; None where torchrun ranks the nodes.
        address: Address of this node for the other nodes; None where the network's default is used.
    """

    count: int
    endpoint: str
    rank: int | None = None
    address: str | None = None

    def arguments(self, result: Path) -> list[str]:
        """Return torchrun's arguments; `result` is the file of the worker's result."""
        if self.rank is None:
            where = ["--rdzv-backend", "c10d", "--rdzv-endpoint", self.endpoint, "--rdzv-id", fingerprint(str(result))]
        else:
            host, _, port = self.endpoint.rpartition(":")
            where = ["--node-rank", str(self.rank), "--master-addr", host, "--master-port", port]
        return ["--nnodes", str(self.count), *where]

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
