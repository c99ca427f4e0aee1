"""The pipeline in another project, live: a webserver and a daemon on `examples/existing_project.py`.

`python -m tests.drives.embedded [--out FILE.json]`; about eight minutes. Events: materialize, backfill of five targets,
a change upstream, cancel, retry from failure, wipe and again, checks. Runs are started and read by the webserver. The
project is changed in three places: targets are partitions that the sensor adds, runs are one process, and a selection
waits for an approval, so that nothing is trained.
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

from getmore_assets.lake import Lake
from getmore_assets.records import STATIONS, Records

ROOT = Path(__file__).parents[2]
FILE = "existing_project.py"
TARGETS = ["asyncio", "email", "unittest", "http", "json"]
CHANGES = {
    "docstrings(*packages).write_delta": 'docstrings(*packages, *Path("more").read_text().split()).write_delta',
    ", partitions=partitions)": ")",
    'dg.multiprocess_executor.configured({"max_concurrent": 2})': "dg.in_process_executor",
    '"name": name,': '"name": name, "approval": True,',
}
STAGES = STATIONS[: STATIONS.index("selected_subset") + 1]
SELECTED = [["warm", name] for name in STAGES if name != "base_model"]
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
RUNS = """{ runsOrError(limit: 500) { ... on Runs { results { runId status pipelineName tags { key value } } } } }"""
ASSET = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(limit: 1) { runId metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
PARTITIONS = """query($s: RepositorySelector!) {
  partitionSetsOrError(repositorySelector: $s, pipelineName: "warm_select") { ... on PartitionSets { results {
    partitionsOrError { ... on Partitions { results { name } } } } } } }"""
CHECKS = """query($key: AssetKeyInput!, $name: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $name, limit: 1) { status } }"""
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RETRY = """mutation($params: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
TERMINATE = """mutation($run: String!) { terminateRun(runId: $run) { __typename } }"""
SENSOR = """mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }"""


class Project:
    """The example in a folder of its own, with a daemon and a webserver."""

    def __init__(self, home: Path) -> None:
        self.home, self.processes = home, list[subprocess.Popen[bytes]]()
        for name in (FILE, "docstrings.py"):
            shutil.copy(ROOT / "examples" / name, home)
        text = (home / FILE).read_text()
        for old, new in CHANGES.items():
            assert text.count(old) == 1, f"{FILE} has `{old}` {text.count(old)} times"
            text = text.replace(old, new)
        (home / FILE).write_text(text)
        (home / "more").touch()
        (home / "dagster").mkdir()
        (home / "dagster" / "dagster.yaml").write_text(
            "telemetry: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 2}}\n"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(home / "dagster"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.environment.pop("GETMORE_SENSORS", None)

    def start(self) -> None:
        """Start the webserver and the daemon."""
        served = ["-h", "127.0.0.1", "-p", str(self.port)]
        for name, arguments in (("dagster-webserver", served), ("dagster-daemon", ["run"])):
            command = [str(Path(sys.executable).with_name(name)), *arguments, "-f", FILE]
            with (self.home / f"{name}.log").open("w") as log:
                started = subprocess.Popen(
                    command, cwd=self.home, env=self.environment, stdout=log, stderr=log, start_new_session=True
                )
            self.processes.append(started)
        found = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
        (node,) = self.wait("the webserver", lambda: self.ask(found)["repositoriesOrError"]["nodes"])
        self.repository = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}

    def end(self) -> None:
        """End both, and all that they started."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL, of the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())
        assert "errors" not in found, found["errors"]
        return found["data"]

    def wait(self, what: str, seen: Callable[[], Any], seconds: float = 400) -> Any:
        """Wait until something is seen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := seen():
                    return found
            except OSError:  # the webserver is not up yet
                pass
            time.sleep(0.5)
        raise AssertionError(f"not seen within {seconds} s: {what}; see {self.home}/*.log")

    def runs(self) -> dict[str, dict[str, Any]]:
        """Every run by id, the first one first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        tagged = [{**run, **{tag["key"]: tag["value"] for tag in run["tags"]}} for run in reversed(found)]
        return {run["runId"]: run for run in tagged}

    def launch(self, keys: list[list[str]], target: str | None = None, job: str = "__ASSET_JOB") -> str:
        """Start a run of assets, or of a job; returns its id."""
        selector = {**self.repository, "pipelineName": job, "assetSelection": [{"path": key} for key in keys]}
        tags = [{"key": "dagster/partition", "value": target}] if target else []
        params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        found = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def ended(self, *runs: str) -> list[str]:
        """Wait for runs to end, and return their statuses."""
        self.wait("runs to end", lambda: all(self.runs()[run]["status"] in ENDED for run in runs))
        return [self.runs()[run]["status"] for run in runs]

    def new_runs(self, before: set[str], count: int) -> list[dict[str, Any]]:
        """Wait for so many runs that were not there before, and for their end."""
        self.wait(f"{count} new runs", lambda: len(self.runs().keys() - before) >= count)
        new = [run for run in self.runs() if run not in before]
        self.ended(*new)
        return [self.runs()[run] for run in new]

    def status(self, stage: str) -> str:
        """What the last materialization of a stage says of itself: made, or reused."""
        (last,) = self.ask(ASSET, key={"path": ["warm", stage]})["assetOrError"]["assetMaterializations"]
        return next(entry["text"] for entry in last["metadataEntries"] if entry["label"] == "status")

    def selections(self) -> dict[str, str | None]:
        """The hash of each target's selection."""
        made = {name: Records(Lake(self.home / "data/lake"), name).get("selected_subset") for name in TARGETS}
        return {name: record.data_version if record else None for name, record in made.items()}


def drive(project: Project, report: Callable[[str, str, bool], None]) -> None:
    """What happens, and what must come of it."""
    project.start()
    theirs = [["my_docs"], *(["wanted_" + name] for name in TARGETS)]
    said = project.ended(project.launch(theirs))
    report("the project's assets are materialized", said[0], said == ["SUCCESS"])

    def registered() -> bool:
        sets = project.ask(PARTITIONS, s=project.repository)["partitionSetsOrError"]["results"]
        return {one["name"] for one in sets[0]["partitionsOrError"]["results"]} == set(TARGETS)

    project.wait("the sensor to add five targets", registered)
    before = set(project.runs())
    params = {"assetSelection": [{"path": key} for key in SELECTED], "partitionNames": TARGETS}
    launched = project.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    runs = project.new_runs(before, len(TARGETS))
    first = project.selections()
    report(
        "a backfill of five targets",
        ", ".join(f"{run['dagster/partition']} {run['status']}" for run in runs),
        [run["status"] for run in runs] == ["SUCCESS"] * 5
        and len(set(first.values())) == 5
        and None not in first.values(),
    )
    before = set(project.runs())
    for name in ("warm_target_changes", "warm_pool_changes"):
        project.ask(SENSOR, sensor={**project.repository, "sensorName": name})
    runs = project.new_runs(before, len(TARGETS))
    report(
        "the sensors look first: nothing is made again",
        project.status("selected_subset"),
        project.selections() == first,
    )
    before = set(project.runs())
    (project.home / "more").write_text("socketserver collections")
    project.ended(change := project.launch([["my_docs"]]))
    runs = [run for run in project.new_runs(before | {change}, len(TARGETS)) if run["pipelineName"] == "warm_select"]
    second = project.selections()
    report(
        "the asset upstream changes",
        ", ".join(f"{run['dagster/partition']} {run['status']}" for run in runs),
        len(runs) == 5
        and {run["status"] for run in runs} == {"SUCCESS"}
        and not set(first.values()) & set(second.values()),
    )
    _broken_off(project, report)
    _wiped(project, report, second)


def _broken_off(project: Project, report: Callable[[str, str, bool], None]) -> None:
    shutil.rmtree(project.home / "data/lake/records/json")
    run = project.launch(SELECTED, "json")
    project.wait("its start", lambda: project.runs()[run]["status"] == "STARTED")
    time.sleep(4)
    project.ask(TERMINATE, run=run)
    said = project.ended(run)
    report("a run is cancelled", said[0], said == ["CANCELED"])
    found = project.ask(RETRY, params={"parentRunId": run, "strategy": "FROM_FAILURE"})["launchPipelineReexecution"]
    again = found["run"]["runId"]
    said = project.ended(again)
    made = Records(Lake(project.home / "data/lake"), "json").get("selected_subset")
    report("it is retried from where it broke off", said[0], said == ["SUCCESS"] and made is not None)


def _wiped(project: Project, report: Callable[[str, str, bool], None], made: dict[str, str | None]) -> None:
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "asset",
        "wipe",
        '["warm", "selected_subset"]',
        "--noprompt",
    ]
    done = subprocess.run(
        command, cwd=project.home, env=project.environment, capture_output=True, text=True, check=False
    )
    gone = not project.ask(ASSET, key={"path": ["warm", "selected_subset"]})["assetOrError"].get(
        "assetMaterializations"
    )
    said = project.ended(project.launch([["warm", "selected_subset"]], "email"))
    held = done.returncode == 0 and gone and said == ["SUCCESS"] and project.status("selected_subset") == "reused"
    report("the asset is wiped, and materialized again", f"{said[0]}, {project.status('selected_subset')}", held)
    said = project.ended(project.launch([], "email", "warm_check"))
    names = ("the_budget_is_kept", "picks_are_the_pools_rows")
    key = {"path": ["warm", "selected_subset"]}
    found = [project.ask(CHECKS, key=key, name=name)["assetCheckExecutions"][0]["status"] for name in names]
    report("checks, alone", f"{said[0]}; {found}", said == ["SUCCESS"] and set(found) == {"SUCCEEDED"})
    report("the selections are as they were", "", project.selections()["email"] == made["email"])


def main() -> int:
    """Run the drive; exit code 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="a new folder for the project, which is kept")
    options, events = parser.parse_args(), list[dict[str, Any]]()

    def report(event: str, said: str, holds: bool) -> None:
        events.append({"event": event, "seen": said, "holds": holds})
        print("holds" if holds else "DOES NOT HOLD", f"{event}: {said}", flush=True)

    with tempfile.TemporaryDirectory(prefix="getmore-embedded-") as temporary:
        home = options.keep or Path(temporary)
        home.mkdir(exist_ok=True)
        project = Project(home)
        try:
            drive(project, report)
        finally:
            project.end()
    if options.out:
        options.out.write_text(json.dumps(events, indent=1) + "\n")
    return 0 if events and all(event["holds"] for event in events) else 1


if __name__ == "__main__":
    sys.exit(main())
