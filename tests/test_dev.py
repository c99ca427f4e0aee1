"""`make dev`: free ports, links that follow, and no job workers."""

import importlib.util
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dev():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "deploy" / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_port_that_is_taken_is_passed_over(dev):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert dev.free_port(port) not in (port, 0)
    assert dev.free_port(port) == port


def test_both_servers_listen_on_this_machine_only_and_link_to_each_other(dev, tmp_path):
    (dagster, mlflow), environment = dev.commands(3001, 5001, tmp_path)
    for command, port in ((dagster, "3001"), (mlflow, "5001")):
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[command.index("--port") + 1] == port
        assert Path(command[0]).exists()
    assert environment["GETMORE_DAGSTER_UI"].endswith(":3001")
    assert environment["GETMORE_MLFLOW_UI"].endswith(":5001")
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "telemetry: {enabled: false}" in (tmp_path / "dagster" / "dagster.yaml").read_text()
