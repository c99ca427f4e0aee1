"""Change targets under a live daemon and webserver, and check which runs are started.

`python -m tests.drives.live [--out FILE.json]`; about ten minutes. Runs are read from the webserver.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from getmore_assets.corpus import python_docs
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import task_fields, write_task

ROOT = Path(__file__).parents[2]
QUIET_S = 75  # two and a half ticks: long enough for an unexpected run to start
RUNS = """{ runsOrError(limit: 200) { ... on Runs { results {
  runId status startTime endTime tags { key value } } } } }"""
STEPS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { stepStats { status } } } }"""
CHECK = """query($asset: AssetKeyInput!) { assetCheckExecutions(assetKey: $asset, checkName: "no_target_stands_failed",
  limit: 1) { status evaluation { success metadataEntries { label } } } }"""


class Site:
    """A deployment on this machine: a tasks folder, Delta targets, daemon and webserver."""

    def __init__(self, home: Path) -> None:
        self.home, self.processes = home, {}
        for name in ("dagster", "tasks", "sources"):
            (home / name).mkdir()
        shutil.copy(ROOT / "dagster.yaml", home / "dagster" / "dagster.yaml")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        rows = [
            {"text": text, "domain": module.split(".")[0].split(":")[0]}
            for text, module, _ in python_docs.read(["python"], [])
            if len(text) < 1500
        ]
        frame = pl.DataFrame(rows).unique("text", keep="first", maintain_order=True)
        of_target = pl.col("domain").is_in(["asyncio", "email", "logging"])
        frame.filter(~of_target).head(1500).write_parquet(home / "sources/pool.parquet")
        self.rows = frame.filter(of_target).select("text").sample(fraction=1, shuffle=True, seed=1)
        for split, start in (("validation", 0), ("test", 30)):
            self.rows.slice(start, 30).write_ndjson(home / f"sources/{split}.jsonl")
        self.next = 60

    def start(self, name: str) -> None:
        """Start `daemon` or `webserver`."""
        binary = Path(sys.executable).with_name(f"dagster-{name}")
        arguments = {"daemon": ["run"], "webserver": ["-h", "127.0.0.1", "-p", str(self.port)]}[name]
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home / "dagster"),
            "GETMORE_TASKS": str(self.home / "tasks"),
            "GETMORE_SENSORS": "RUNNING",
            "OMP_NUM_THREADS": "1",
        }
        command = [str(binary), *arguments, "-w", str(ROOT / "workspace.yaml")]
        with (self.home / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """Send SIGKILL to a server and its child processes, and wait for its end."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def append(self, target: str, rows: int) -> None:
        self.rows.slice(self.next, rows).write_delta(self.home / "sources" / target, mode="append")
        self.next += rows

    def add(self, target: str, **changes: Any) -> None:
        self.append(target, 40)
        fields = task_fields(self.home / "sources", self.home / "lake", name=target, compare=["none"], seeds=1)
        fields["leakage"] = "allow"  # docstrings are similar: the leakage guard would drop rows that are counted below
        fields["candidates"] = [{"path": str(self.home / "sources/pool.parquet"), "domain": "domain"}]
        fields["target"]["train"] = str(self.home / "sources" / target)
        write_task(self.home / "tasks" / f"{target}.yaml", {**fields, **changes})

    def ask(self, query: str, **variables: Any) -> Any:
        """Send a GraphQL query to the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Return every run, the oldest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        tagged = [{**run, **{t["key"]: t["value"] for t in run["tags"]}} for run in reversed(found)]
        return [{**run, "target": run["dagster/partition"]} for run in tagged]

    def is_at_work(self, run: str) -> bool:
        """Return whether a step of a run is running."""
        return any(step["status"] == "IN_PROGRESS" for step in self.ask(STEPS, run=run)["runOrError"]["stepStats"])

    def wait(self, what: str, seen: Callable[[], Any], seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := seen():
                    return found
            except OSError:  # the webserver is not up yet
                pass
            time.sleep(0.5)
        raise AssertionError(f"not seen within {seconds} s: {what}; see {self.home}/*.log")

    def rest(self) -> list[dict[str, Any]]:
        """Wait until all runs have ended and no new run starts for two ticks; return every run."""

        def quiet() -> bool:
            return all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in self.runs())

        self.wait("runs to end", quiet, 600)
        before = len(self.runs())
        time.sleep(QUIET_S)
        self.wait("runs to end", quiet, 600)
        return self.runs() if len(self.runs()) == before else self.rest()

    def train_rows(self, target: str) -> list[int]:
        """Return the rows of the split train in each materialization of the potentials, in order."""
        materializations = Records(Lake(self.home / "lake"), target).materializations("ot_potentials")
        return [int(one.facts["targets"]) for one in materializations]


def drive(site: Site, report: Callable[[str, str, bool], None]) -> None:  # noqa: PLR0915 - one event after the other
    """Change targets, kill the daemon, and check the runs after each event."""
    site.start("webserver")
    site.wait("the webserver", lambda: site.ask("{ version }"))
    site.start("daemon")
    count = 0

    def new() -> list[dict[str, Any]]:
        nonlocal count
        found = site.rest()[count:]
        count += len(found)
        return found

    def ended(found: list[dict[str, Any]]) -> str:
        return ", ".join(f"{run['target']} {run['status']}" for run in found) or "none"

    site.add("one")
    site.add("two")
    found = new()
    report("two targets appear", ended(found), sorted(r["target"] for r in found) == ["one", "two"] and good(found))

    site.append("one", 3)
    found = new()
    report("rows appended to one", ended(found), [r["target"] for r in found] == ["one"] and good(found))

    site.append("one", 3)
    site.wait("its run", lambda: site.runs()[count:] and site.runs()[-1]["status"] == "STARTED")
    site.append("one", 3)
    found = new()
    waited = len(found) == 2 and found[1]["startTime"] >= found[0]["endTime"]
    rows = site.train_rows("one")
    held = waited and good(found) and rows == [40, 43, 46, 49]
    report("appended, and again during its run", f"{ended(found)}; rows of each making {rows}", held)

    table = DeltaTable(site.home / "sources/one")
    table.optimize.compact()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    report("compaction and vacuum", ended(found := new()), not found)

    site.kill("daemon")
    site.append("two", 3)
    site.start("daemon")
    found = new()
    report(
        "daemon killed, change, daemon started", ended(found), [r["target"] for r in found] == ["two"] and good(found)
    )

    site.append("two", 3)
    site.wait("a step of its run", lambda: site.runs()[count:] and site.is_at_work(site.runs()[-1]["runId"]))
    site.kill("daemon")  # and with it the run
    site.start("daemon")
    found = new()
    held = [run["status"] for run in found] == ["FAILURE", "SUCCESS"] and site.train_rows("two") == [40, 43, 46]
    report("daemon and run killed, daemon started", ended(found), held)

    site.add("bad", selection={"selector": "got-d", "budget": {"rows": 10**6}})
    found = new()
    check = site.ask(CHECK, asset={"path": ["target_data"]})["assetCheckExecutions"][0]
    named = [entry["label"] for entry in check["evaluation"]["metadataEntries"]]
    held = [(r["target"], r["status"]) for r in found] == [("bad", "FAILURE")] and "bad" in named
    surfaced = f"check no_target_stands_failed {check['status']}, names {', '.join(named)}"
    report("a target that must fail", f"{ended(found)}; {surfaced}", held and not check["evaluation"]["success"])

    site.add("bad", selection={"selector": "got-d", "budget": {"rows": 50}})
    found = new()
    check = site.ask(CHECK, asset={"path": ["target_data"]})["assetCheckExecutions"][0]
    report("it is corrected and changes", ended(found), good(found) and check["evaluation"]["success"])


def good(found: list[dict[str, Any]]) -> bool:
    """Return whether there were runs, and all succeeded."""
    return bool(found) and all(run["status"] == "SUCCESS" for run in found)


def main() -> None:
    """Run the drive; exit with 1 if an event failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    home, results = Path(tempfile.mkdtemp(prefix="getmore-live-")), []
    site = Site(home)

    def report(event: str, runs: str, held: bool) -> None:
        results.append({"event": event, "runs": runs, "held": held, "seconds": round(time.monotonic() - began)})
        print(f"{'held' if held else 'FAILED':6}  {results[-1]['seconds']:5} s  {event}: {runs}", flush=True)

    began = time.monotonic()
    try:
        drive(site, report)
    finally:
        for name in list(site.processes):
            site.kill(name)
        if out:
            out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if all(result["held"] for result in results):
        shutil.rmtree(home)
    else:
        sys.exit(f"see {home}")


if __name__ == "__main__":
    main()
