"""Reading YAML safely: only plain objects, with limits on size and depth against files that exhaust memory.

Belongs here: the limits, and reading within them. Does not: the meaning of a file (`task_parsing.py`).
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

LARGEST = 256 * 2**10  # bytes
_DEEPEST = 32  # levels
_MOST_VALUES = 20_000  # values; the values of an alias count each time
_LONGEST_NUMBER = 64  # characters; a number of 100,000 characters with colons takes minutes


class _Bounded(yaml.SafeLoader):
    """The safe loader with limits."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._values: dict[int, int] = {}  # the number of values in each complete node, by id()

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return a node within the limits."""
        event = self.peek_event()
        self._level += 1
        self._require(self._level <= _DEEPEST, event, f"is nested more than {_DEEPEST} levels deep")
        node: Any = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(event, yaml.AliasEvent):
            self._require(id(node) in self._values, event, f"the alias `{event.anchor}` contains itself")
        else:
            self._values[id(node)] = 1 + sum(self._values[id(part)] for part in _parts(node))
            plain = isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:str"
            self._require(not plain or len(node.value) <= _LONGEST_NUMBER, event, "has a number that is too long")
        self._require(self._values[id(node)] <= _MOST_VALUES, event, f"has more than {_MOST_VALUES:,} values")
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Return a mapping in which each key occurs once (`<<` may occur several times)."""
        node: Any = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name, line = self.construct_object(key), key.start_mark.line + 1
            what = f"the key `{key.value:.80}` occurs twice, first on line {lines.get(name)}"
            self._require(name not in lines, key, what)
            lines[name] = line
        return node

    def _require(self, condition: bool, event: Any, what: str) -> None:
        if not condition:
            raise yaml.composer.ComposerError(None, None, what, event.start_mark)


def _parts(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        ValueError: The file is not YAML in UTF-8, has a key twice in a mapping, or exceeds a limit.
        OSError: The file cannot be opened or is not a regular file.
    """
    return parse(content_of(path).decode("utf-8"))


def content_of(path: Path) -> bytes:
    """Return the bytes of a regular file. A pipe or a device could block for ever, so it is not read.

    Raises:
        ValueError: The file is larger than `LARGEST` bytes.
        OSError: The file cannot be opened or is not a regular file.
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
    """Return the line number (from 1) of a key of the outermost mapping; None if there is no such key.

    Raises:
        ValueError: As `parse`.
    """
    node = _with_loader(text, lambda loader: loader.get_single_node())
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), None)


def parse(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        ValueError: As `read`.
    """
    return _with_loader(text, lambda loader: loader.get_single_data())


def _with_loader(text: str, load: Callable[[_Bounded], Any]) -> Any:
    loader = None
    try:
        loader = _Bounded(text)
        return load(loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    finally:
        if loader is not None:
            loader.dispose()
