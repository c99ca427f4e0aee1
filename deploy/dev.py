"""`make dev`: Dagster's UI and MLflow's UI for the lake of this folder, on 127.0.0.1.

Belongs here: starting the two servers. Does not: their settings. The ports are 3000 and 5000 if these are free, else
any free ports; the links between the UIs use the same ports.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

LAKE = Path(".getmore")
ROOT = Path(__file__).parents[1]


def free_port(preferred: int) -> int:
    """Return the preferred port if it is free, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("no port is free on 127.0.0.1")


def commands(dagster_port: int, mlflow_port: int, lake: Path) -> tuple[list[list[str]], dict[str, str]]:
    """Return the commands of both servers, and their environment."""
    home = lake / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    programs = Path(sys.executable).parent
    dg = ["dg", "dev"] if (programs / "dg").exists() else ["dagster", "dev", "-w", str(ROOT / "workspace.yaml")]
    mlflow = ["mlflow", "server", "--workers", "1", "--backend-store-uri", f"sqlite:///{lake / 'mlflow.db'}"]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "GETMORE_DAGSTER_UI": f"http://127.0.0.1:{dagster_port}",
        "GETMORE_MLFLOW_UI": f"http://127.0.0.1:{mlflow_port}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else MLflow starts a process for each kind of job
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    mlflow += ["--default-artifact-root", str(lake / "mlartifacts")]
    servers = [
        [str(programs / program), *arguments, "--host", "127.0.0.1", "--port", str(port)]
        for (program, *arguments), port in ((dg, dagster_port), (mlflow, mlflow_port))
    ]
    return servers, environment


def main() -> None:
    """Start both servers, print their addresses, and end both when one of them ends or on Ctrl-C."""
    dagster_port, mlflow_port = free_port(3000), free_port(5000)
    programs, environment = commands(dagster_port, mlflow_port, LAKE.absolute())
    uis = f"Dagster  http://127.0.0.1:{dagster_port}\nMLflow   http://127.0.0.1:{mlflow_port}"
    print(f"{uis}\nCtrl-C ends both.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    servers = [subprocess.Popen(program, env=environment, cwd=ROOT, start_new_session=True) for program in programs]
    try:
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        for server in servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGINT)
        for server in servers:
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
