"""YAML that someone wrote: no objects but plain ones, and what was made to exhaust a machine is refused at once.

Belongs here: the limits, and reading within them. Does not: what a file means (`task_files.py`).
"""

from pathlib import Path
from typing import Any

import yaml

LARGEST = 256 * 2**10  # bytes
_DEEPEST = 32  # levels
_MOST = 20_000  # values, those that an alias stands for counted each time
_LONGEST_NUMBER = 64  # characters; with colons a number of 100,000 takes minutes


class _Bounded(yaml.SafeLoader):
    """The safe loader, counting as it goes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._values: dict[int, int] = {}  # of each node that is whole, by its identity

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node with all that is in it."""
        event = self.peek_event()
        self._level += 1
        self._require(self._level <= _DEEPEST, event, f"is nested more than {_DEEPEST} levels deep")
        node: Any = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(event, yaml.AliasEvent):
            self._require(id(node) in self._values, event, f"the alias `{event.anchor}` stands within itself")
        else:
            self._values[id(node)] = 1 + sum(self._values[id(part)] for part in _parts(node))
            plain = isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:str"
            self._require(not plain or len(node.value) <= _LONGEST_NUMBER, event, "has a number that is too long")
        self._require(self._values[id(node)] <= _MOST, event, f"holds more than {_MOST:,} values")
        return node

    def _require(self, holds: bool, event: Any, what: str) -> None:
        if not holds:
            raise yaml.composer.ComposerError(None, None, what, event.start_mark)


def _parts(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ValueError: It is not YAML in UTF-8, or larger, deeper or more numerous than anything a person writes.
        OSError: It cannot be opened.
    """
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 2**10} KiB")
    return parse(content.decode("utf-8"))


def parse(text: str) -> Any:
    """What a piece of YAML holds.

    Raises:
        ValueError: As `read`.
    """
    loader = None
    try:
        loader = _Bounded(text)
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    finally:
        if loader is not None:
            loader.dispose()
