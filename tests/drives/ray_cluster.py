"""Run a task on two Ray nodes without a shared folder, with the lake on an S3 server; remove nodes during stages.

    python -m tests.drives.ray_cluster [--out FILE] [--home FOLDER] [TASK FILE] [override ...]

Each node has its own mirror of the lake. One-shot GOT-D must select the same ids as in one process, write no row twice,
and repeat only what the lost node had at work. (The default selector also reads losses of a base model, which by its
roundings is another one if two nodes train it.) The drive takes some minutes with tasks/demo.yaml. It needs the extras
`ray` and `places`.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.task_parsing import load_task
from tests.drives.command import REPO, Command
from tests.s3_server import BUCKET, serving

WORKERS = 2
LONGEST = 1800.0  # seconds for each wait
# Not 127.0.0.1: Ray replaces it by the machine's external address.
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "node_ip_address": "127.0.0.2"}
#: In which stage the node is removed, and the task or the method of an actor that must be at work on it.
LOST_IN = {
    "raw_corpus": "_call",
    "leakage": "_call",
    "embeddings": "RemoteEncoder.encode",
    "ot_potentials": "Sweeper.",
    "warmed_model": "_Node.run",
}
_KEYS = {"raw_corpus": ["pool", "id"], "embeddings": ["encoder", "id"]}


@contextmanager
def nodes(count: int, home: Path | None = None) -> Iterator[Any]:
    """Run a cluster on loopback, without a dashboard; with `home`, each node has its own mirror of lakes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**another_node(home), "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**another_node(home))
        yield cluster
    finally:
        cluster.shutdown()


def another_node(home: Path | None) -> dict[str, Any]:
    """Return the arguments of a node; with `home`, it has its own mirror of lakes."""
    own = {"env_vars": {"GETMORE_MIRROR": tempfile.mkdtemp(dir=home, prefix="node-")}} if home else {}
    return {**NODE, **own}


def wait_for(find: Callable[[], Any]) -> Any:
    """Wait until `find` returns a true value, and return it."""
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        if result := find():
            return result
        time.sleep(0.003)
    raise SystemExit(f"not seen within {LONGEST:.0f} s")


def remove_node(cluster: Any, stage: str, work: str, command: Command) -> None:
    """Remove the node that is not the head, while a process on it does the work of a stage."""
    (node,) = cluster.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid

    def at_work() -> int | None:
        if not command.running:
            raise SystemExit(f"the command ended before {work} ran in {stage}: {command.text[-3000:]}")
        if f"{stage}: computing" not in command.text:
            return None
        # Read from /proc, as psutil looks at every process of the machine, which takes longer than some work.
        for child in Path(f"/proc/{raylet}/task/{raylet}/children").read_text("ascii").split():
            with suppress(OSError):
                if Path(f"/proc/{child}/cmdline").read_bytes().startswith(f"ray::{work}".encode()):
                    return int(child)
        return None

    process = wait_for(at_work)
    os.kill(process, signal.SIGSTOP)  # it cannot end its work
    print(f"a node is removed in {stage}", flush=True)
    cluster.remove_node(node, allow_graceful=False)
    with suppress(OSError):
        os.kill(process, signal.SIGKILL)  # of a lost machine no process remains, not even a stopped one
    cluster.add_node(**another_node(Path(os.environ["GETMORE_MIRROR"]).parent))


def start(file: str, lake: str, overrides: list[str], log: Path) -> Command:
    """Start `getmore run`."""
    arguments = ["-m", "getmore_assets.cli", "run", file, f"lake={lake}", *overrides, "--json", "--verbose"]
    return Command(arguments, log, dict(os.environ))


def results(command: Command, lake: Lake, name: str) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Wait for the command; return the id and score of the selected rows, best first, and the scorecard's means."""
    if command.process.wait(LONGEST):
        raise SystemExit(f"the command failed: {command.text[-3000:]}")
    lake.refresh(within=0)
    selected = Records(lake, name).get("selected_subset").table_ref().scan().sort("rank").select("id", "score")
    return selected.collect(), Records(lake, name).get("scorecard").facts["metrics"]


def drive(file: str, overrides: list[str], home: Path) -> dict[str, Any]:
    """Run the task in one process and on the cluster, and compare."""
    name, began, overrides = load_task(file).name, time.monotonic(), ["selection.selector=got-d", *overrides]
    alone, means = results(start(file, str(home / "lake"), overrides, home / "alone.log"), Lake(home / "lake"), name)
    print(f"one process: {alone.height} rows in {time.monotonic() - began:.0f} s", flush=True)
    with serving() as s3:
        # The nodes inherit the address and the key of the server.
        os.environ.update({**s3.environment, "GETMORE_MIRROR": str(home / "driver")})
        with nodes(2, home) as cluster:
            place = f"{{ray: '{cluster.address}', workers: {WORKERS}}}"
            ray = f"ray: '{cluster.address}'"
            train = f"{{{ray}, nnodes: {WORKERS}}}"
            launch = f"launch={{texts: {{{ray}}}, embed: {place}, solve: {place}, train: {train}}}"
            url, began = f"s3://{BUCKET}/lake", time.monotonic()
            there = start(file, url, [*overrides, launch], home / "there.log")
            for stage, work in LOST_IN.items():
                remove_node(cluster, stage, work, there)
            lake = Lake(url)
            spread, spread_means = results(there, lake, name)
            twice = {
                table: int(lake.latest(table).scan().select(key).collect().is_duplicated().sum())
                for table, key in _KEYS.items()
            }
            seconds = time.monotonic() - began
    text = there.text
    return {
        "selected": alone.height,
        "ids equal, in the same order": alone["id"].equals(spread["id"]),
        "scores equal to the bit": alone["score"].equals(spread["score"]),
        "furthest score": float((alone["score"] - spread["score"]).abs().max()),
        "furthest mean of the scorecard": max(
            abs(spread_means[one] - mean) for one, mean in means.items() if "seconds" not in one
        ),
        "rows written twice": twice,
        "nodes lost": list(LOST_IN),
        "shards encoded again": text.count("was sent again"),
        "shards of the solve built again": text.count("was built again on another"),
        "seconds": round(seconds),
    }


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(REPO / "tasks/demo.yaml"))
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--home", type=Path, help="of lakes and logs; the lake of one process is used again")
    args = parser.parse_args()
    found = drive(args.file, args.overrides, args.home or Path(tempfile.mkdtemp(prefix="getmore-ray-")))
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    few = all(count <= WORKERS for count in (found["shards encoded again"], found["shards of the solve built again"]))
    return int(not (found["ids equal, in the same order"] and few) or any(found["rows written twice"].values()))


if __name__ == "__main__":
    sys.exit(main())
