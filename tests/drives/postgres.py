"""A Postgres server in a folder, set up as in the deployment.

Belongs here: starting, querying and stopping it. Does not: its contents.
"""

import os
import subprocess
from pathlib import Path

from tests.drives.compose import DEPLOY
from tests.drives.containers import Containers


class Postgres:
    """A Postgres server; `databases.sh` creates its databases."""

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
        """Return the answer to a user's query, or None if it failed."""
        environment = os.environ | self._as(user, f"{user.upper()}_PG_PASSWORD")
        done = subprocess.run(
            ["psql", "-d", database, "-Atc", query], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "stop")
