"""Run the services of deploy/compose.yaml as processes of this machine, on their own Postgres, and one target.

`python -m tests.drives.deployment [--s3 URL] [--services BIN] [--out FILE.json]`; about six minutes. It needs the
extra `deploy` and the programs of Postgres. URL is an S3 server, with credentials from the environment; without it, a
folder is the object store. BIN is the `bin` folder of a virtual environment with only the packages of the image
`services`; by default, of this environment.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import task_fields, write_task
from tests.drives.command import make_sources
from tests.drives.containers import Containers
from tests.drives.postgres import Postgres

RUNS = "{ runsOrError(limit: 9) { ... on Runs { results { runId jobName status tags { key value } } } } }"


def drive(at: Containers, database: Postgres, say: Any) -> None:
    """Test the databases, the services and a run; report each with `say(what, outcome)`."""
    assert database.ask("dagster", "dagster", "select 1") == database.ask("mlflow", "mlflow", "select 1") == "1"
    assert database.ask("dagster", "mlflow", "select 1") is database.ask("mlflow", "dagster", "select 1") is None
    say("databases.sh: two databases, each closed to the other's user", True)
    assert at.healthy("postgres")
    say("health check of postgres", True)
    for service in ("migrate", "migrate-mlflow"):
        for state in ("empty", "up to date"):
            done = at.once(service)
            assert done.returncode == 0, done.stderr[-3000:]
            say(f"{service}, database {state}", True)
    for service in ("mlflow", "code", "webserver", "daemon"):
        say(f"{service}: seconds until healthy", at.start(service))
    mlflow = f"http://127.0.0.1:{at.machine.ports['mlflow']}/api/2.0/mlflow/experiments/get?experiment_id=0"
    hosts = {host: _status(mlflow, host) for host in ("mlflow:5000", "127.0.0.1:5000", "elsewhere.example")}
    assert hosts == {"mlflow:5000": 200, "127.0.0.1:5000": 200, "elsewhere.example": 403}, hosts
    say("mlflow answers to its own names only", hosts)
    _run_task(at, say)
    say("resident MiB after it", {name: _resident(process.pid) for name, process in at.running.items()})
    tables = "select count(*) from information_schema.tables where table_schema = 'public'"
    say("tables in Postgres", {name: int(database.ask(name, name, tables) or 0) for name in ("dagster", "mlflow")})


def _run_task(at: Containers, say: Any) -> None:
    """Write a task file to the container's folder: the sensors alone must start its run, up to the scorecard."""
    sources = make_sources(at.home / "srv/getmore/data")
    fields = task_fields(sources.relative_to(at.home / "srv/getmore"), Path(".getmore"), compare=["none"], seeds=1)
    write_task(at.home / "srv/getmore/tasks/tiny.yaml", fields)
    began, runs = time.monotonic(), []
    while not runs or any(run["status"] not in ("SUCCESS", "FAILURE", "CANCELED") for run in runs):
        assert time.monotonic() - began < 1200, f"the run has not ended: {runs}"
        time.sleep(3)
        runs = _ask(at, RUNS)["runsOrError"]["results"]
    assert [(run["jobName"], run["status"]) for run in runs] == [("run", "SUCCESS")], runs
    say("tiny task, started by a sensor, run in the code location: seconds", round(time.monotonic() - began))
    logs = list((at.home / "opt/dagster/dagster_home/storage").rglob("*.err"))
    say("files of what it printed, where the webserver looks", len(logs))
    query = "search?filter=name%3D%27tiny.finetuned_model%27"
    found = json.loads(_get(f"http://127.0.0.1:{at.machine.ports['mlflow']}/api/2.0/mlflow/registered-models/{query}"))
    assert found.get("registered_models"), found
    (version,) = found["registered_models"][0]["latest_versions"]
    assert version["source"].startswith("mlflow-artifacts:/"), version
    artifacts = _artifacts(at, version["run_id"])
    assert any(name.endswith("model.safetensors") for name in artifacts), artifacts
    say("artifacts of the fine-tuned model in the object store", sorted(artifacts))


def _resident(pid: int) -> int:
    process = psutil.Process(pid)
    return round(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20)


def _artifacts(at: Containers, run: str) -> list[str]:
    if not at.s3:
        return [
            str(path.relative_to(at.home))
            for path in (at.home / "artifacts").rglob("*")
            if run in str(path) and path.is_file()
        ]
    import boto3

    store = boto3.client("s3", endpoint_url=at.s3, region_name="us-east-1")
    return [one["Key"] for one in store.list_objects_v2(Bucket="mlflow").get("Contents", []) if run in one["Key"]]


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def _status(url: str, host: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _ask(at: Containers, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    url = f"http://127.0.0.1:{at.machine.ports['webserver']}/graphql"
    with urllib.request.urlopen(
        urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=60
    ) as answer:
        return json.loads(answer.read())["data"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--s3", help="the URL of an S3 server; by default, a folder is the object store")
    parser.add_argument(
        "--services", type=Path, default=Path(sys.executable).parent, help="programs of the image `services`"
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}

    def say(what: str, outcome: Any) -> None:
        results[what] = outcome
        print(f"{what}: {outcome}", flush=True)

    home = Path(tempfile.mkdtemp(prefix="getmore-deployment-"))
    at = Containers(home, arguments.s3, arguments.services)
    database = Postgres(at)
    try:
        drive(at, database, say)
    finally:
        at.stop()
        database.stop()
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
