"""deploy/compose.yaml as Compose reads it, and its containers as processes of this machine.

Belongs here: filling in what comes from the environment, and where hosts, ports and folders of the containers are here.
Does not: starting anything (`deployment.py`), or what must hold of the file (`tests/test_deploy.py`).
"""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
PORTS = {"postgres": 5432, "objects": 8333, "mlflow": 5000, "code": 4000, "webserver": 3000}
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def plain(name: str = "compose.yaml") -> dict[str, Any]:
    """The file, its anchors resolved and nothing filled in."""
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def filled(value: Any, environment: dict[str, str]) -> Any:
    """A part of the file with `${NAME}`, `${NAME:-default}` and `${NAME:?why}` filled in, and `$$` a dollar.

    Raises:
        KeyError: Something that is needed is not in the environment.
    """
    if isinstance(value, dict):
        return {key: filled(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if given := environment.get(name):
            return given
        if operator == ":-":
            return rest
        raise KeyError(name)

    return _VARIABLE.sub(fill, value).replace("$$", "$")


class Machine:
    """This machine in place of all containers: 127.0.0.1 for hosts, free ports for theirs, `home` for their root."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.home = home
        self.ports = ports
        self._port = {str(PORTS[name]): str(port) for name, port in ports.items()}

    def here(self, text: str) -> str:
        """A word of a command, or a value of the environment."""
        if text in self.ports or text == "0.0.0.0":
            return "127.0.0.1"
        if text in self._port:
            return self._port[text]
        for name, port in self.ports.items():
            text = re.sub(rf"\b(?:{name}|127\.0\.0\.1):{PORTS[name]}\b", f"127.0.0.1:{port}", text)
        return re.sub(r"(?<![\w.])/(?=opt/dagster|srv/getmore)", f"{self.home}/", text)
