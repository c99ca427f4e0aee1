"""Reading deploy/compose.yaml, to run its services as processes of this machine.

Belongs here: filling in variables, and replacing the hosts, ports and folders of containers by those of this machine.
Does not: starting services (`containers.py`), or tests of the file (`tests/test_deploy.py`).
"""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
PORTS = {"postgres": 5432, "objects": 8333, "mlflow": 5000, "code": 4000, "webserver": 3000}
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def plain(name: str = "compose.yaml") -> dict[str, Any]:
    """Read the file; anchors are resolved, variables are not."""
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def filled(value: Any, environment: dict[str, str]) -> Any:
    """Replace `${NAME}`, `${NAME:-default}`, `${NAME:?why}` and `$$` in a part of the file.

    Raises:
        KeyError: A required variable is not in the environment.
    """
    if isinstance(value, dict):
        return {key: filled(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        if text := environment.get(name):
            return text
        if operator == ":-":
            return default
        raise KeyError(name)

    return _VARIABLE.sub(fill, value).replace("$$", "$")


class Machine:
    """This machine in place of all containers: hosts become 127.0.0.1, ports free ports, and the root `home`."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.home = home
        self.ports = ports
        self._port = {str(PORTS[name]): str(port) for name, port in ports.items()}

    def here(self, text: str) -> str:
        """Translate a word of a command, or a value of the environment."""
        if text in self.ports or text == "0.0.0.0":
            return "127.0.0.1"
        if text in self._port:
            return self._port[text]
        for name, port in self.ports.items():
            text = re.sub(rf"\b(?:{name}|127\.0\.0\.1):{PORTS[name]}\b", f"127.0.0.1:{port}", text)
        return re.sub(r"(?<![\w.])/(?=opt/dagster|srv/getmore)", f"{self.home}/", text)
