"""Run a task on two Ray nodes of this machine; remove one node during encoding, and one during the solve.

    python -m tests.drives.ray_cluster [TASK FILE] [override ...]

The task must select the same ids as one process, encode no row twice, and repeat only the work of the lost nodes. The
drive takes some minutes with tasks/demo.yaml. It needs the extra `ray`.
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
from getmore_assets.task_parsing import load_task

ROOT = Path(__file__).parents[2]
WORKERS = 2
LONGEST = 1800.0  # seconds for each wait
# Not 127.0.0.1: Ray replaces it by the machine's external address.
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "node_ip_address": "127.0.0.2"}


@contextmanager
def nodes(count: int) -> Iterator[Any]:
    """Run a cluster on loopback, without a dashboard."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**NODE)
        yield cluster
    finally:
        cluster.shutdown()


def wait_for(find: Callable[[], Any]) -> Any:
    """Wait until `find` returns a true value, and return it."""
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        if result := find():
            return result
        time.sleep(0.01)
    raise SystemExit(f"not seen within {LONGEST:.0f} s")


def remove_node(cluster: Any, method: str, command: subprocess.Popen[bytes]) -> None:
    """Remove the node that is not the head, while an actor on it runs a method."""
    (node,) = cluster.worker_nodes
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)

    def at_work() -> psutil.Process | None:
        if command.poll() is not None:
            raise SystemExit(f"the command ended with {command.returncode} before an actor ran {method}")
        for one in raylet.children(recursive=True):
            try:
                if " ".join(one.cmdline()).startswith(f"ray::{method}"):
                    return one
            except psutil.NoSuchProcess:
                continue
        return None

    wait_for(at_work).send_signal(signal.SIGSTOP)  # the actor cannot end the method
    print(f"a node is removed during {method}", flush=True)
    cluster.remove_node(node, allow_graceful=False)


def start(file: str, overrides: list[str], home: Path) -> subprocess.Popen[bytes]:
    """Start `getmore select` with a new lake."""
    command = [sys.executable, "-m", "getmore_assets.cli", "select", file, f"lake={home / 'lake'}", *overrides]
    home.mkdir()
    with (home / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def selected(command: subprocess.Popen[bytes], home: Path, name: str) -> pl.DataFrame:
    """Wait for the command; return the id and score of the selected rows, best first."""
    if command.wait(LONGEST):
        raise SystemExit(f"the command ended with {command.returncode}: {(home / 'log').read_text()[-3000:]}")
    lake = Lake(home / "lake")
    return Records(lake, name).get("selected_subset").table_ref().scan().sort("rank").select("id", "score").collect()


def main() -> int:
    """Run the drive, and return its exit code."""
    file, *overrides = sys.argv[1:] or [str(ROOT / "tasks/demo.yaml")]
    name, home, began = load_task(file).name, Path(tempfile.mkdtemp(prefix="getmore-ray-")), time.monotonic()
    alone = selected(start(file, overrides, home / "alone"), home / "alone", name)
    print(f"one process: {alone.height} rows in {time.monotonic() - began:.0f} s", flush=True)
    with nodes(2) as cluster:
        place = f"{{ray: '{cluster.address}', workers: {WORKERS}}}"
        there = start(file, [*overrides, f"launch={{embed: {place}, solve: {place}}}"], home / "there")
        remove_node(cluster, "RemoteEncoder.encode", there)
        cluster.add_node(**NODE)
        remove_node(cluster, "Sweeper.", there)
        spread = selected(there, home / "there", name)
    log = (home / "there" / "log").read_text("utf-8", "replace")
    lake = Lake(home / "there" / "lake")
    vectors = lake.latest("embeddings").scan().select("id").collect()["id"]
    solve = Records(lake, name).get("ot_potentials").facts
    results = {
        "candidates": solve["candidates"],
        "targets": solve["targets"],
        "selected": alone.height,
        "ids equal, in the same order": alone["id"].equals(spread["id"]),
        "scores equal to the bit": alone["score"].equals(spread["score"]),
        "furthest score": float((alone["score"] - spread["score"]).abs().max()),
        "rows encoded": vectors.len(),
        "rows encoded twice": vectors.len() - vectors.n_unique(),
        "shards given out again, encoding": log.count("was sent again"),
        "shards built again, solve": log.count("was built again on another"),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(results, indent=1))
    again = (results["shards given out again, encoding"], results["shards built again, solve"])
    few = all(1 <= count <= WORKERS for count in again)  # a node may run both workers, with a shard each
    return int(not (results["ids equal, in the same order"] and few) or results["rows encoded twice"] > 0)


if __name__ == "__main__":
    sys.exit(main())
