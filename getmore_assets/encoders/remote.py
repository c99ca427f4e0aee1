"""Encoding on the nodes of a Ray cluster: texts go out, vectors come back.

Belongs here: the actor that holds an encoder, and giving it shards. Does not: which texts lack a vector, or keeping
vectors (`workers/embed.py`).
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from getmore_assets.cluster import Worker, joined, started
from getmore_assets.config import LEXICAL, Task
from getmore_assets.encoders import Encoder, make_encoder
from getmore_assets.errors import BadInput
from getmore_assets.json_models import JsonObject
from getmore_assets.models import find_model, model_fingerprint

log = logging.getLogger(__name__)


def encoded(
    task: Task, fitted: Path, shards: Iterable[tuple[list[str], list[str]]]
) -> Iterator[tuple[list[str], np.ndarray]]:
    """The vectors of each shard (ids, texts), `[rows, d]`, float32, as they come back, in any order.

    As many shards are on their way as there are workers, and one is in the caller's hands. What a lost node was doing
    is given out again.

    Args:
        task: Its encoder, which every node finds by the name that the task gives it.
        fitted: Where what was fitted on this machine is kept; it is sent along.
        shards: Drawn on as they are given out.

    Raises:
        BadInput: No cluster, or a node has another model of that name, or none.
    """
    import ray
    from ray.util import ActorPool

    assert task.launch.embed is not None
    with joined(task.launch.embed, "launch.embed"):
        there = [fitted] if fitted.is_file() else sorted(fitted.with_suffix("").rglob("*"))
        files = ray.put({str(p.relative_to(fitted.parent)): np.fromfile(p, np.uint8) for p in there if p.is_file()})
        given = (task.model_dump(mode="json", exclude_unset=True), _weights(task), fitted.name)
        pool = ActorPool(started(RemoteEncoder, task.launch.embed, "launch.embed", [given] * task.launch.embed.workers))
        for shard in shards:
            done = None if pool.has_free() else pool.get_next_unordered()
            pool.submit(lambda actor, one: actor.encode.remote([files], *one), shard)
            if done:
                yield _said(*done)
        while pool.has_next():
            while pool.pop_idle():  # it ends, and makes room for one whose node was lost
                pass
            yield _said(*pool.get_next_unordered())


def _said(ids: list[str], vectors: np.ndarray, again: bool) -> tuple[list[str], np.ndarray]:
    if again:
        log.warning("encoding: a worker was lost, its shard of %d rows was given out again", len(ids))
    return ids, vectors


def _weights(task: Task) -> str | None:
    """A hash of the model that the task names, as it is on this machine."""
    name = task.encoder.model
    return None if name == LEXICAL else model_fingerprint(find_model(name, "encoder.model"))


class RemoteEncoder(Worker):
    """The actor.

    Args:
        threads: That torch may use.
        task: JSON-like.
        weights: The hash that its model has on the machine that asks.
        name: Of the file of what was fitted.
    """

    def __init__(self, threads: int, task: JsonObject, weights: str | None, name: str) -> None:
        super().__init__(threads)
        self._task, self._weights, self._name = Task.model_validate(task), weights, name
        self._encoder: Encoder | None = None

    def encode(self, files: list[Any], ids: list[str], texts: list[str]) -> tuple[list[str], np.ndarray, bool]:
        """The ids, their vectors (`[rows, d]`, float32), and whether they were asked for before.

        Args:
            files: A reference to what was fitted: bytes by path.
            ids: Of the texts.
            texts: To encode.
        """
        import ray

        if self._encoder is None:  # here and not at the start, where a refusal would count as a crash
            self._encoder = self._made(ray.get(files[0]))
        return ids, self._encoder.encode(texts), self.again()

    def _made(self, files: dict[str, np.ndarray]) -> Encoder:
        if _weights(self._task) != self._weights:
            what = "a node has another model of this name than the machine that the task runs on"
            raise BadInput(f"encoder.model {self._task.encoder.model}", what, "Give all of them the same")
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                target = Path(folder, path)
                target.parent.mkdir(exist_ok=True)
                content.tofile(target)
            return make_encoder(self._task, Path(folder, self._name), [])
