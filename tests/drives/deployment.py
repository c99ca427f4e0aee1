"""The deployment without an engine: the commands and health checks of deploy/compose.yaml as processes of this machine,
on a Postgres of its own, and a target carried down the whole line by them.

`python -m tests.drives.deployment [--s3 URL] [--out FILE.json]`; some minutes. Needs the extra `deploy` and Postgres'
programs. The object store is what answers at URL (credentials from the environment); without one it is a folder.
"""

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import task_fields, write_task
from tests.drives.command import free_port, make_sources
from tests.drives.compose import DEPLOY, PORTS, Machine, filled, plain

NEEDED = ("POSTGRES_PASSWORD", "DAGSTER_PG_PASSWORD", "MLFLOW_PG_PASSWORD", "OBJECTS_KEY_ID", "OBJECTS_SECRET")
HOMES = ("opt/dagster/dagster_home/storage", "srv/getmore/.getmore", "srv/getmore/tasks", "srv/getmore/data")
RUNS = "{ runsOrError(limit: 9) { ... on Runs { results { runId jobName status tags { key value } } } } }"
INHERITED = ("HOME", "LANG", "PYTHONPATH", "SSL_CERT_FILE", "TMPDIR")


class Containers:
    """The services of the compose file, one process each."""

    def __init__(self, home: Path, s3: str | None) -> None:
        self.home, self.s3, self.running = home, s3, {}
        ports: dict[str, int] = {}
        while len(ports) < len(PORTS):
            port = free_port(random.randrange(10**9))
            ports |= {name: port for name in list(PORTS)[len(ports) : len(ports) + 1] if port not in ports.values()}
        self.machine = Machine(home, ports)
        given = {name: secrets.token_hex(12) for name in NEEDED} | {"GETMORE_SENSORS": "RUNNING"}
        if s3:
            given |= {
                "OBJECTS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
                "OBJECTS_SECRET": os.environ["AWS_SECRET_ACCESS_KEY"],
            }
        self.services = filled(plain(), given)["services"]
        for folder in HOMES:
            (home / folder).mkdir(parents=True)
        self._files()

    def _files(self) -> None:
        """dagster.yaml and workspace.yaml, where the containers have them."""
        (self.home / "opt/dagster/dagster_home/dagster.yaml").write_text(
            (DEPLOY / "dagster.yaml").read_text("utf-8"), "utf-8"
        )
        workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text("utf-8"))
        server = workspace["load_from"][0]["grpc_server"]
        server |= {"host": self.machine.here(server["host"]), "port": int(self.machine.here(str(server["port"])))}
        (self.home / "opt/dagster/workspace.yaml").write_text(yaml.safe_dump(workspace), "utf-8")

    def environment(self, name: str) -> dict[str, str]:
        """What the container has, and nothing of this session's but what a process needs to start."""
        own = {key: self.machine.here(value) for key, value in self.services[name].get("environment", {}).items()}
        if "MLFLOW_ARTIFACTS_DESTINATION" in own:
            stand_in = (
                {"MLFLOW_S3_ENDPOINT_URL": self.s3}
                if self.s3
                else {"MLFLOW_ARTIFACTS_DESTINATION": (self.home / "artifacts").as_uri()}
            )
            own |= stand_in
        image = {  # as the Dockerfile sets it
            "DAGSTER_HOME": str(self.home / "opt/dagster/dagster_home"),
            "GETMORE_TASKS": str(self.home / "srv/getmore/tasks"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PGPORT": str(self.machine.ports["postgres"]),  # the health check's, which names none
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return {key: os.environ[key] for key in INHERITED if key in os.environ} | image | own

    def words(self, command: list[str]) -> list[str]:
        return [command[0], *(self.machine.here(word) for word in command[1:])]  # `mlflow` is a program and a host

    def once(self, name: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a service's command, or another one in its place, to its end."""
        words = self.words(command or self.services[name]["command"])
        return subprocess.run(
            words,
            env=self.environment(name),
            cwd=self.home / "srv/getmore",
            capture_output=True,
            text=True,
            check=False,
        )

    def healthy(self, name: str) -> bool:
        kind, *check = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.once(name, check).returncode == 0

    def start(self, name: str) -> float:
        """Start a service; seconds until its health check says yes, which must say no before."""
        assert not self.healthy(name), f"the health check of {name} is content with nothing"
        with (self.home / f"{name}.log").open("a") as log:
            self.running[name] = subprocess.Popen(
                self.words(self.services[name]["command"]),
                env=self.environment(name),
                cwd=self.home / "srv/getmore",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        began = time.monotonic()
        while not self.healthy(name):
            assert self.running[name].poll() is None, f"{name} ended; see {self.home}/{name}.log"
            assert time.monotonic() - began < 300, f"{name} is not healthy; see {self.home}/{name}.log"
            time.sleep(1)
        return round(time.monotonic() - began, 1)

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


class Postgres:
    """A server in a folder, as its image would start it: databases.sh, once."""

    def __init__(self, containers: Containers) -> None:
        self.containers, self.data = containers, containers.home / "postgres"
        self.port = str(containers.machine.ports["postgres"])
        self.programs = Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
        self.data.mkdir()
        if os.geteuid() == 0:  # Postgres refuses to run as root
            subprocess.run(["chown", "postgres", str(self.data)], check=True)
            containers.home.chmod(0o755)
        self._run(
            "initdb",
            "--auth=scram-sha-256",
            "--username=postgres",
            f"--pwfile={self._password()}",
            "-D",
            str(self.data),
        )
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data}"
        self._run("pg_ctl", "-D", str(self.data), "-o", options, "-l", str(self.data / "log"), "-w", "start")
        environment = containers.environment("postgres") | self._as("postgres", "POSTGRES_PASSWORD")
        subprocess.run(["sh", str(DEPLOY / "databases.sh")], env=environment, check=True, capture_output=True)

    def _password(self) -> Path:
        file = self.data.with_suffix(".password")
        file.write_text(self.containers.services["postgres"]["environment"]["POSTGRES_PASSWORD"], "utf-8")
        file.chmod(0o644)
        return file

    def _run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*user, str(self.programs / program), *arguments], capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _as(self, user: str, password: str) -> dict[str, str]:
        secret = self.containers.services["postgres"]["environment"][password]
        return {"PGHOST": "127.0.0.1", "PGPORT": self.port, "PGUSER": user, "PGPASSWORD": secret}

    def ask(self, user: str, database: str, query: str) -> str | None:
        """What a user's query says, or None where it may not."""
        environment = os.environ | self._as(user, f"{user.upper()}_PG_PASSWORD")
        done = subprocess.run(
            ["psql", "-d", database, "-Atc", query], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "stop")


def drive(at: Containers, database: Postgres, say: Any) -> None:
    """Everything in turn; `say(what, outcome)`."""
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
    _line(at, say)
    say("resident MiB after it", {name: _resident(process.pid) for name, process in at.running.items()})
    tables = "select count(*) from information_schema.tables where table_schema = 'public'"
    say("tables in Postgres", {name: int(database.ask(name, name, tables) or 0) for name in ("dagster", "mlflow")})


def _line(at: Containers, say: Any) -> None:
    """A task file, put where the container has them: the sensors must carry it to a scorecard, with no other help."""
    made = make_sources(at.home / "srv/getmore/data")
    fields = task_fields(made.relative_to(at.home / "srv/getmore"), Path(".getmore"), compare=["none"], seeds=1)
    write_task(at.home / "srv/getmore/tasks/tiny.yaml", fields)
    began, runs = time.monotonic(), []
    while not runs or any(run["status"] not in ("SUCCESS", "FAILURE", "CANCELED") for run in runs):
        assert time.monotonic() - began < 1200, f"the line is not through: {runs}"
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
    kept = _kept(at, version["run_id"])
    assert any(name.endswith("model.safetensors") for name in kept), kept
    say("artifacts of the fine-tuned model in the object store", sorted(kept))


def _resident(pid: int) -> int:
    process = psutil.Process(pid)
    return round(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20)


def _kept(at: Containers, run: str) -> list[str]:
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
    parser.add_argument("--s3", help="an S3 server to stand for the object store")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    said: dict[str, Any] = {}

    def say(what: str, outcome: Any) -> None:
        said[what] = outcome
        print(f"{what}: {outcome}", flush=True)

    home = Path(tempfile.mkdtemp(prefix="getmore-deployment-"))
    at = Containers(home, arguments.s3)
    database = Postgres(at)
    try:
        drive(at, database, say)
    finally:
        at.stop()
        database.stop()
    if arguments.out:
        arguments.out.write_text(json.dumps(said, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
