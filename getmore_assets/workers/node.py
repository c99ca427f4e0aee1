"""Another node of trainings on several machines: `python -m getmore_assets.workers.node task.yaml`, until it is ended.

Belongs here: waiting for calls of the node that runs the stages, and joining it. Does not: the call (`nodes.py`).
"""

import logging
import sys
import time
from pathlib import Path

from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.launch import run_here
from getmore_assets.nodes import Call, Nodes
from getmore_assets.task_parsing import load_task

log = logging.getLogger(__name__)
_EVERY_S = 0.5


def nodes_of(task_file: Path) -> tuple[Nodes, Path]:
    """Return the nodes of a task, and the folder of their calls.

    Raises:
        BadInput: The task file cannot be read, or its trainings run on one node.
    """
    task = load_task(task_file)
    nodes = task.launch.train.nodes
    if nodes is None:
        what = f"is not set in {task_file}, so no training waits for this node"
        fix = "Set it and `nnodes`, on all nodes; a node of a Ray cluster needs no such program"
        raise BadInput("launch.train.rdzv_endpoint", what, fix)
    return Nodes(*nodes), Lake(task.lake).folder("work")


def join(nodes: Nodes, work: Path) -> None:
    """Join every training that is called, one after the other; never returns."""
    file, joined = nodes.file(work), 0
    while True:
        try:
            made, said = file.stat().st_mtime_ns, file.read_text("utf-8")
        except FileNotFoundError:
            made, said = joined, ""
        if made == joined:
            time.sleep(_EVERY_S)
            continue
        call, joined = Call.model_validate_json(said), made
        log.info("joining %s", call.spec.parent.name)
        ended = run_here(call.worker, call.spec, call.result, call.processes, nodes)
        log.info("%s ended with exit code %d", call.spec.parent.name, ended.code)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        join(*nodes_of(Path(sys.argv[1])))
    except BadInput as error:
        sys.exit(str(error))
