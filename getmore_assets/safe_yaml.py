"""YAML that someone wrote: no objects but plain ones, and what was made to exhaust a machine is refused at once.

Belongs here: the limits, and reading within them. Does not: what a file means (`task_files.py`).
"""

import os
import stat
from collections.abc import Callable
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

    def compose_mapping_node(self, anchor: Any) -> Any:
        """A mapping with all that is in it, each key once (`<<` may stand several times)."""
        node: Any = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name, line = self.construct_object(key), key.start_mark.line + 1
            self._require(
                name not in lines, key, f"the key `{key.value:.80}` stands twice, first on line {lines.get(name)}"
            )
            lines[name] = line
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
        ValueError: It is not YAML in UTF-8, a key stands twice in a mapping, or it is larger, deeper or more numerous
            than anything a person writes.
        OSError: It cannot be opened, or is no regular file.
    """
    return parse(content_of(path).decode("utf-8"))


def content_of(path: Path) -> bytes:
    """Return the bytes of a regular file; a pipe or a device, which could block for ever, is not read.

    Raises:
        ValueError: The file is larger than `LARGEST` bytes.
        OSError: The file cannot be opened, or is no regular file.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # non-blocking: a pipe without a writer opens at once
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(f"{path} is not a regular file")
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 2**10} KiB")
    return content


def line_of(text: str, key: str) -> int | None:
    """Return the line (from 1) on which a key of the outermost mapping stands, or None where there is no such key.

    Raises:
        ValueError: As `parse`.
    """
    node = _with_loader(text, lambda loader: loader.get_single_node())
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), None)


def parse(text: str) -> Any:
    """What a piece of YAML holds.

    Raises:
        ValueError: As `read`.
    """
    return _with_loader(text, lambda loader: loader.get_single_data())


def _with_loader(text: str, take: Callable[[_Bounded], Any]) -> Any:
    loader = None
    try:
        loader = _Bounded(text)
        return take(loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    finally:
        if loader is not None:
            loader.dispose()
