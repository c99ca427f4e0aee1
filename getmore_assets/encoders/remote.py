"""Encoding on the nodes of a Ray cluster: each node gets texts and returns vectors.

Belongs here: the actor with an encoder, and sending shards to actors. Does not: which texts lack a vector, or storing
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
    """Yield the ids and vectors (`[rows, d]`, float32) of each shard (ids, texts), in the order of completion.

    Each worker has one shard at a time, and the caller one more. The shard of a lost node is sent again.

    Args:
        task: The task; every node finds the encoder by its name in the task.
        fitted: File of a fitted encoder on this machine, which is sent to the nodes.
        shards: Read lazily, as workers become free.

    Raises:
        BadInput: There is no cluster, or a node has no model of that name, or a different model.
    """
    import ray
    from ray.util import ActorPool

    assert task.launch.embed is not None
    with joined(task.launch.embed.ray, "launch.embed"):
        paths = [fitted] if fitted.is_file() else sorted(fitted.with_suffix("").rglob("*"))
        files = ray.put({str(p.relative_to(fitted.parent)): np.fromfile(p, np.uint8) for p in paths if p.is_file()})
        args = (task.model_dump(mode="json", exclude_unset=True), _weights(task), fitted.name)
        pool = ActorPool(started(RemoteEncoder, task.launch.embed, "launch.embed", [args] * task.launch.embed.workers))
        for shard in shards:
            done = None if pool.has_free() else pool.get_next_unordered()
            pool.submit(lambda actor, shard: actor.encode.remote([files], *shard), shard)
            if done:
                yield _warned(*done)
        while pool.has_next():
            while pool.pop_idle():  # an idle actor ends, which frees its place for a restarted actor
                pass
            yield _warned(*pool.get_next_unordered())


def _warned(ids: list[str], vectors: np.ndarray, is_repeated: bool) -> tuple[list[str], np.ndarray]:
    if is_repeated:
        log.warning("encoding: a worker was lost, its shard of %d rows was sent again", len(ids))
    return ids, vectors


def _weights(task: Task) -> str | None:
    """Return the hash of the task's encoder model on this machine; None for the lexical encoder."""
    name = task.encoder.model
    return None if name == LEXICAL else model_fingerprint(find_model(name, "encoder.model"))


class RemoteEncoder(Worker):
    """An actor that encodes shards.

    Args:
        threads: Threads of torch.
        task: The task as JSON.
        weights: Hash of the encoder's model on the machine that sends the shards.
        name: File name of the fitted encoder.
    """

    def __init__(self, threads: int, task: JsonObject, weights: str | None, name: str) -> None:
        super().__init__(threads)
        self._task, self._weights, self._name = Task.model_validate(task), weights, name
        self._encoder: Encoder | None = None

    def encode(self, files: list[Any], ids: list[str], texts: list[str]) -> tuple[list[str], np.ndarray, bool]:
        """Return the ids, their vectors (`[rows, d]`, float32), and whether this call repeats a lost one.

        Args:
            files: A reference to the files of the fitted encoder: bytes by path.
            ids: Ids of the texts.
            texts: The texts to encode.
        """
        import ray

        if self._encoder is None:  # not in __init__, where Ray would count a refusal as a crash
            self._encoder = self._build(ray.get(files[0]))
        return ids, self._encoder.encode(texts), self.again()

    def _build(self, files: dict[str, np.ndarray]) -> Encoder:
        if _weights(self._task) != self._weights:
            what = "a node has another model of this name than the machine that the task runs on"
            raise BadInput(f"encoder.model {self._task.encoder.model}", what, "Copy the same model to all nodes")
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                target = Path(folder, path)
                target.parent.mkdir(exist_ok=True)
                content.tofile(target)
            return make_encoder(self._task, Path(folder, self._name), [])
