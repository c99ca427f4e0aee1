"""A task on two Ray nodes of this machine, of which one is lost while it encodes, and another while it solves.

    python -m tests.drives.ray_cluster [TASK FILE] [override ...]

It must select the ids that one process selects, keep no row twice, and do no more again than what the lost nodes had
in hand. Some minutes with tasks/demo.yaml. Needs the extra `ray`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.task_files import load_task

ROOT = Path(__file__).parents[2]
WORKERS = 2
LONGEST = 1800.0  # seconds that anything may take
# Loopback, but not 127.0.0.1: Ray takes that for the address under which others reach this machine.
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "node_ip_address": "127.0.0.2"}


@contextmanager
def nodes(count: int) -> Iterator[Any]:
    """A cluster on loopback, without a dashboard."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**NODE)
        yield cluster
    finally:
        cluster.shutdown()


def until(found: Callable[[], Any]) -> Any:
    """What is found, as soon as it is."""
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        if thing := found():
            return thing
        time.sleep(0.01)
    raise SystemExit("it did not come to that")


def lose(cluster: Any, doing: str, command: subprocess.Popen[bytes]) -> None:
    """Kill the node that is not the head, in the midst of what an actor on it does."""
    (node,) = cluster.worker_nodes
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)

    def at_work() -> psutil.Process | None:
        if command.poll() is not None:
            raise SystemExit(f"the command ended with {command.returncode} before its worker was {doing}")
        for one in raylet.children(recursive=True):
            try:
                if " ".join(one.cmdline()).startswith(f"ray::{doing}"):
                    return one
            except psutil.NoSuchProcess:
                continue
        return None

    until(at_work).send_signal(signal.SIGSTOP)  # so that it cannot end what it is at
    print(f"a node is lost in {doing}", flush=True)
    cluster.remove_node(node, allow_graceful=False)


def started(file: str, overrides: list[str], home: Path) -> subprocess.Popen[bytes]:
    """`getmore select`, with a lake of its own."""
    command = [sys.executable, "-m", "getmore_assets.cli", "select", file, f"lake={home / 'lake'}", *overrides]
    home.mkdir()
    with (home / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def selected(command: subprocess.Popen[bytes], home: Path, name: str) -> pl.DataFrame:
    """What came of it: id and score, the best first."""
    if command.wait(LONGEST):
        raise SystemExit(f"it ended with {command.returncode}: {(home / 'log').read_text()[-3000:]}")
    lake = Lake(home / "lake")
    return Records(lake, name).get("selected_subset").table_ref().scan().sort("rank").select("id", "score").collect()


def main() -> int:
    """Drive, and say what came of it."""
    file, *overrides = sys.argv[1:] or [str(ROOT / "tasks/demo.yaml")]
    name, home, began = load_task(file).name, Path(tempfile.mkdtemp(prefix="getmore-ray-")), time.monotonic()
    alone = selected(started(file, overrides, home / "alone"), home / "alone", name)
    print(f"one process: {alone.height} rows in {time.monotonic() - began:.0f} s", flush=True)
    with nodes(2) as cluster:
        place = f"{{ray: '{cluster.address}', workers: {WORKERS}}}"
        there = started(file, [*overrides, f"launch={{embed: {place}, solve: {place}}}"], home / "there")
        lose(cluster, "RemoteEncoder.encode", there)
        cluster.add_node(**NODE)
        lose(cluster, "Sweeper.", there)
        spread = selected(there, home / "there", name)
    said = (home / "there" / "log").read_text("utf-8", "replace")
    lake = Lake(home / "there" / "lake")
    vectors = lake.latest("embeddings").scan().select("id").collect()["id"]
    solve = Records(lake, name).get("ot_potentials").facts
    found = {
        "candidates": solve["candidates"],
        "targets": solve["targets"],
        "selected": alone.height,
        "ids equal, in the same order": alone["id"].equals(spread["id"]),
        "scores equal to the bit": alone["score"].equals(spread["score"]),
        "furthest score": float((alone["score"] - spread["score"]).abs().max()),
        "rows encoded": vectors.len(),
        "rows encoded twice": vectors.len() - vectors.n_unique(),
        "shards given out again, encoding": said.count("was sent again"),
        "shards built again, solve": said.count("was built on another"),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(found, indent=1))
    again = (found["shards given out again, encoding"], found["shards built again, solve"])
    few = all(1 <= count <= WORKERS for count in again)  # a node may have had both workers, with a shard each
    return int(not (found["ids equal, in the same order"] and few) or found["rows encoded twice"] > 0)


if __name__ == "__main__":
    sys.exit(main())
