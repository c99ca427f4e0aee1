"""Run each example that is a Dagster project with a live webserver and daemon.

`python -m tests.drives.embedded [--out FILE.json]`; about fifteen minutes. The events for `existing_project.py` are:
materialize, backfill five targets, change an upstream asset, cancel, retry from failure, wipe and materialize again,
check. The other examples have one target and no partitions; their events are the same without the backfill. Runs are
started and read through the webserver. The existing project is changed in four places: its asset reads a file that
changes, targets are partitions that the sensor adds, a run is one process, and a selection waits for an approval, so
that nothing is trained. The component's target is a file that changes, and its selection waits for an approval, too.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from getmore_assets.corpus import python_docs
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Records

ROOT = Path(__file__).parents[2]
TARGETS = ["asyncio", "email", "unittest", "http", "json"]
CHANGES = {
    "docstrings(*packages).write_delta": 'docstrings(*packages, *Path("more").read_text().split()).write_delta',
    ", partitions=partitions)": ")",
    'dg.multiprocess_executor.configured({"max_concurrent": 2})': "dg.in_process_executor",
    '"name": name,': '"name": name, "approval": True,',
}
STAGES = STAGE_NAMES[: STAGE_NAMES.index("selected_subset") + 1]
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
STEPS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { stepStats { status } } } }"""
SENSOR = """mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }"""


@dataclass(frozen=True)
class Example:
    """A project of `examples/`.

    Attributes:
        files: Its files in `examples/`.
        program: The options with which Dagster's commands load its definitions.
        prefix: The key prefix of its pipeline.
        task: The name of a task.
        target: The partition of that task, if there are partitions.
        first: Its own assets that the pipeline reads.
        after: Its own assets that read the pipeline's assets.
    """

    files: tuple[str, ...]
    program: tuple[str, ...]
    prefix: tuple[str, ...]
    task: str
    target: str | None = None
    first: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def key(self, stage: str) -> list[str]:
        """The asset key of a stage."""
        return [*self.prefix, stage]

    @property
    def selected(self) -> list[list[str]]:
        """The keys of the stages up to the subset."""
        return [self.key(name) for name in STAGES if name != "base_model"]


EXISTING = Example(
    ("existing_project.py", "docstrings.py"),
    ("-f", "existing_project.py"),
    ("warm",),
    "json",
    "json",
    ("my_docs", *(f"target_{name}" for name in TARGETS)),
)
COMPONENT = Example(("component",), ("-m", "mine.definitions"), ("warm",), "first")
SMALL = (
    Example(
        ("two_pipelines.py", "docstrings.py"),
        ("-f", "two_pipelines.py"),
        ("transport",),
        "asyncio-got-d",
        first=("my_docs", "target_docs"),
    ),
    Example(
        ("downstream.py", "docstrings.py"),
        ("-f", "downstream.py"),
        (),
        "asyncio",
        first=("my_docs", "target_docs"),
        after=("topics",),
    ),
    COMPONENT,
)


class Project:
    """An example in a separate folder, with a daemon and a webserver."""

    def __init__(self, home: Path, example: Example) -> None:
        self.home, self.example, self.processes = home, example, list[subprocess.Popen[bytes]]()
        for name in example.files:
            place = ROOT / "examples" / name
            (shutil.copytree if place.is_dir() else shutil.copy)(place, home / name)
        if example is EXISTING:
            text = (home / "existing_project.py").read_text()
            for old, new in CHANGES.items():
                assert text.count(old) == 1, f"existing_project.py has `{old}` {text.count(old)} times"
                text = text.replace(old, new)
            (home / "existing_project.py").write_text(text)
            (home / "more").touch()
        if example is COMPONENT:
            self.target_file.write_text(_rows(0, 200))
            task = self.target_file.with_name("first.yaml")
            text = re.sub(r"train: {.*}", f"train: {{path: {self.target_file.name}}}", task.read_text())
            task.write_text(f"{text}approval: true\n")
        (home / "dagster").mkdir()
        (home / "dagster" / "dagster.yaml").write_text(
            "telemetry: {enabled: false}\nnux: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 2}}\n"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(home / "dagster"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(home / "component" / "src")]),
        }
        self.environment.pop("GETMORE_SENSORS", None)

    @property
    def target_file(self) -> Path:
        """The file of the target of the component's task."""
        return self.home / "component" / "src" / "mine" / "defs" / "warm" / "tasks" / "target.jsonl"

    def start(self) -> None:
        """Start the webserver, then the daemon: started at once, both would create the instance's databases."""
        self._start("dagster-webserver", "-h", "127.0.0.1", "-p", str(self.port))
        query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
        (node,) = self.wait("the webserver", lambda: self.ask(query)["repositoriesOrError"]["nodes"])
        self.repository = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}
        self._start("dagster-daemon", "run")

    def _start(self, name: str, *arguments: str) -> None:
        command = [str(Path(sys.executable).with_name(name)), *arguments, *self.example.program]
        with (self.home / f"{name}.log").open("w") as log:
            started = subprocess.Popen(
                command, cwd=self.home, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(started)

    def end(self) -> None:
        """Stop both, and their child processes."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def ask(self, query: str, **variables: Any) -> Any:
        """Send a GraphQL query to the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            response = json.loads(answer.read())
        assert "errors" not in response, response["errors"]
        return response["data"]

    def wait(self, what: str, seen: Callable[[], Any], seconds: float = 400) -> Any:
        """Wait until `seen` returns a true value, and return it."""
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
        """Return every run by id, the oldest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        tagged = [{**run, **{tag["key"]: tag["value"] for tag in run["tags"]}} for run in reversed(found)]
        return {run["runId"]: run for run in tagged}

    def launch(self, keys: list[list[str]], target: str | None = None, job: str = "__ASSET_JOB") -> str:
        """Start a run of assets, or of a job; return its id."""
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

    def at_work(self, run: str) -> bool:
        """Return whether a step of a run has succeeded, and another step is running."""
        steps = {step["status"] for step in self.ask(STEPS, run=run)["runOrError"]["stepStats"]}
        return steps >= {"SUCCESS", "IN_PROGRESS"}

    def new_runs(self, before: set[str], count: int) -> list[dict[str, Any]]:
        """Wait until `count` new runs have started and ended."""
        self.wait(f"{count} new runs", lambda: len(self.runs().keys() - before) >= count)
        new = [run for run in self.runs() if run not in before]
        self.ended(*new)
        return [self.runs()[run] for run in new]

    def status(self, stage: str) -> str:
        """Return the status of the last materialization of a stage: materialized, or cached."""
        found = self.ask(ASSET, key={"path": self.example.key(stage)})
        (last,) = found["assetOrError"]["assetMaterializations"]
        return next(entry["text"] for entry in last["metadataEntries"] if entry["label"] == "status")

    def records(self, task: str) -> Records:
        """Return the records of a task."""
        (lake,) = {found.parent for found in self.home.rglob("records")}
        return Records(Lake(lake), task)

    def selection(self, task: str) -> str | None:
        """Return the hash of a task's selection."""
        record = self.records(task).get("selected_subset")
        return record.data_version if record else None

    def selections(self) -> dict[str, str | None]:
        """Return the hash of the selection of each of the five targets."""
        return {name: self.selection(name) for name in TARGETS}


def drive(project: Project, report: Callable[[str, str, bool], None]) -> None:
    """Drive the project with five targets."""
    project.start()
    statuses = project.ended(project.launch([[name] for name in project.example.first]))
    report("the project's assets are materialized", statuses[0], statuses == ["SUCCESS"])

    def registered() -> bool:
        sets = project.ask(PARTITIONS, s=project.repository)["partitionSetsOrError"]["results"]
        return {one["name"] for one in sets[0]["partitionsOrError"]["results"]} == set(TARGETS)

    project.wait("the sensor to add five targets", registered)
    before = set(project.runs())
    params = {"assetSelection": [{"path": key} for key in project.example.selected], "partitionNames": TARGETS}
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
    _cancelled(project, report)
    _wiped(project, report)


def drive_small(project: Project, report: Callable[[str, str, bool], None]) -> None:
    """Drive a project with one target and no partitions: no backfill."""
    project.start()
    own = project.example
    if own.first:
        statuses = project.ended(project.launch([[name] for name in own.first]))
        report("the project's assets are materialized", statuses[0], statuses == ["SUCCESS"])
    statuses = project.ended(project.launch(own.selected))
    report(
        "the pipeline, up to the subset",
        statuses[0],
        statuses == ["SUCCESS"] and project.selection(own.task) is not None,
    )
    if own.after:
        statuses = project.ended(project.launch([[name] for name in own.after]))
        report("an asset that reads the subset", statuses[0], statuses == ["SUCCESS"])
    if own is COMPONENT:
        _sensor_and_change(project, report)
    _cancelled(project, report)
    _wiped(project, report)


def _rows(start: int, end: int) -> str:
    texts = [text for text, _, _ in python_docs.read(["dagster"], [])]
    return "".join(json.dumps({"text": text}) + "\n" for text in texts[start:end])


def _sensor_and_change(project: Project, report: Callable[[str, str, bool], None]) -> None:
    """Start the sensor of a project without partitions, then change the target."""
    before, selected = set(project.runs()), project.selection(project.example.task)
    project.ask(SENSOR, sensor={**project.repository, "sensorName": "warm_target_changes"})
    (first,) = project.new_runs(before, 1)
    same = project.status("selected_subset") == "cached" and project.selection(project.example.task) == selected
    report("the sensor looks first", f"{first['pipelineName']} {first['status']}", same)
    before = set(project.runs())
    with project.target_file.open("a") as target:
        target.write(_rows(200, 300))
    (second,) = project.new_runs(before, 1)
    held = second["status"] == "SUCCESS" and project.selection(project.example.task) not in (None, selected)
    seen = f"{second['pipelineName']} {second['status']}"
    report("the target changes, without partitions", seen, held and second["pipelineName"] == "warm_select")


def _cancelled(project: Project, report: Callable[[str, str, bool], None]) -> None:
    own = project.example
    records = project.records(own.task)
    shutil.rmtree(records.lake.root / "records" / own.task)
    run = project.launch(own.selected, own.target)
    project.wait("a step at work", lambda: project.at_work(run))
    project.ask(TERMINATE, run=run)
    statuses = project.ended(run)
    report("a run is cancelled", statuses[0], statuses == ["CANCELED"])
    found = project.ask(RETRY, params={"parentRunId": run, "strategy": "FROM_FAILURE"})["launchPipelineReexecution"]
    again = found["run"]["runId"]
    statuses = project.ended(again)
    held = statuses == ["SUCCESS"] and project.selection(own.task) is not None
    report("it is retried from the failed step", statuses[0], held)


def _wiped(project: Project, report: Callable[[str, str, bool], None]) -> None:
    own, made = project.example, project.selection(project.example.task)
    key = own.key("selected_subset")
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "wipe", json.dumps(key), "--noprompt"]
    done = subprocess.run(
        command, cwd=project.home, env=project.environment, capture_output=True, text=True, check=False
    )
    gone = not project.ask(ASSET, key={"path": key})["assetOrError"].get("assetMaterializations")
    statuses = project.ended(project.launch([key], own.target))
    held = done.returncode == 0 and gone and statuses == ["SUCCESS"] and project.status("selected_subset") == "cached"
    report("the asset is wiped, and materialized again", f"{statuses[0]}, {project.status('selected_subset')}", held)
    statuses = project.ended(project.launch([], own.target, "_".join([*own.prefix, "check"])))
    names = ("the_budget_is_kept", "picks_are_the_pools_rows")
    found = [project.ask(CHECKS, key={"path": key}, name=name)["assetCheckExecutions"][0]["status"] for name in names]
    report("checks, alone", f"{statuses[0]}; {found}", statuses == ["SUCCESS"] and set(found) == {"SUCCEEDED"})
    report("the selection is as it was", "", project.selection(own.task) == made)


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="a new folder in which the projects are kept")
    options, events = parser.parse_args(), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory(prefix="getmore-embedded-") as temporary:
        for example in (EXISTING, *SMALL):
            name = example.files[0]

            def report(event: str, seen: str, holds: bool, name: str = name) -> None:
                events.append({"project": name, "event": event, "seen": seen, "holds": holds})
                print("holds" if holds else "DOES NOT HOLD", f"{name}: {event}: {seen}", flush=True)

            home = (options.keep or Path(temporary)) / name.removesuffix(".py")
            home.mkdir(parents=True)
            project = Project(home, example)
            try:
                (drive if example is EXISTING else drive_small)(project, report)
            finally:
                project.end()
    if options.out:
        options.out.write_text(json.dumps(events, indent=1) + "\n")
    return 0 if events and all(event["holds"] for event in events) else 1


if __name__ == "__main__":
    sys.exit(main())
