"""The services of deploy/compose.yaml, each as a process with its own environment and health check.

Belongs here: starting, checking and stopping services. Does not: what the services must do (`deployment.py`).
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.drives.command import free_port
from tests.drives.compose import DEPLOY, PORTS, Machine, filled, plain

NEEDED = ("POSTGRES_PASSWORD", "DAGSTER_PG_PASSWORD", "MLFLOW_PG_PASSWORD", "OBJECTS_KEY_ID", "OBJECTS_SECRET")
HOMES = ("opt/dagster/dagster_home/storage", "srv/getmore/.getmore", "srv/getmore/tasks", "srv/getmore/data")
INHERITED = ("HOME", "LANG", "SSL_CERT_FILE", "TMPDIR")


class Containers:
    """The services of the compose file, each as a process."""

    def __init__(self, home: Path, s3: str | None, services: Path) -> None:
        self.home, self.s3, self.running = home, s3, {}
        self.programs = services
        self.machine = Machine(home, {name: free_port(random.randrange(10**9)) for name in PORTS})
        variables = {name: secrets.token_hex(12) for name in NEEDED} | {"GETMORE_SENSORS": "RUNNING"}
        if s3:
            variables |= {
                "OBJECTS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
                "OBJECTS_SECRET": os.environ["AWS_SECRET_ACCESS_KEY"],
            }
        self.services = filled(plain(), variables)["services"]
        for folder in HOMES:
            (home / folder).mkdir(parents=True)
        self._write_files()

    def _write_files(self) -> None:
        """Write dagster.yaml and workspace.yaml to their places in a container."""
        (self.home / "opt/dagster/dagster_home/dagster.yaml").write_text(
            (DEPLOY / "dagster.yaml").read_text("utf-8"), "utf-8"
        )
        workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text("utf-8"))
        server = workspace["load_from"][0]["grpc_server"]
        server |= {"host": self.machine.here(server["host"]), "port": int(self.machine.here(str(server["port"])))}
        (self.home / "opt/dagster/workspace.yaml").write_text(yaml.safe_dump(workspace), "utf-8")

    def environment(self, name: str) -> dict[str, str]:
        """Return the container's environment, with the few variables of this session that a process needs."""
        own = {key: self.machine.here(value) for key, value in self.services[name].get("environment", {}).items()}
        if "MLFLOW_ARTIFACTS_DESTINATION" in own:
            folder = (self.home / "artifacts").as_uri()
            own |= {"MLFLOW_S3_ENDPOINT_URL": self.s3} if self.s3 else {"MLFLOW_ARTIFACTS_DESTINATION": folder}
        image = {  # as in the Dockerfile
            "DAGSTER_HOME": str(self.home / "opt/dagster/dagster_home"),
            "GETMORE_TASKS": str(self.home / "srv/getmore/tasks"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PGPORT": str(self.machine.ports["postgres"]),  # for the health check, which names no port
            "PATH": f"{Path(sys.executable).parent if name == 'code' else self.programs}:{os.environ['PATH']}",
        }
        if name == "code":
            image["PYTHONPATH"] = str(DEPLOY.parent)
        return {key: os.environ[key] for key in INHERITED if key in os.environ} | image | own

    def words(self, command: list[str]) -> list[str]:
        return [command[0], *(self.machine.here(word) for word in command[1:])]  # `mlflow` is a program and a host

    def once(self, name: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a service's command, or another command in its environment, to its end."""
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
        """Start a service; return the seconds until its health check succeeds, which must fail before the start."""
        assert not self.healthy(name), f"the health check of {name} succeeds before the start"
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
