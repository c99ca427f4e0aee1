"""Apply a function to batches: in this process, in several processes of this machine, or on a Ray cluster.

Belongs here: sending batches out, and returning the results in order. Does not: the functions, or actors that keep
something between batches (`cluster.py`).

A function keeps nothing between batches, so every place gives the same results, and the batch of a lost node is
computed again on another node.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

from getmore_assets.cluster import joined
from getmore_assets.config import Texts
from getmore_assets.errors import WorkerKilledError
from getmore_assets.parents import PARENT, end_with_parent

Key = TypeVar("Key")
Result = TypeVar("Result")
Arguments = tuple[Any, ...]

_HERE = 8  # the first batches are computed in this process: few batches are not worth a second of starting processes
_AHEAD = 2  # batches per process that are under way, so that no process waits for its next batch
_IDLE_S = 20  # a process without work for this time ends
# One thread per process, as there is one process per processor.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


def mapped(
    function: Callable[..., Result], batches: Iterable[tuple[Key, Arguments]], place: Texts
) -> Iterator[tuple[Key, Result]]:
    """Yield the result of each batch, with the batch's key, in the order of the batches.

    Args:
        function: A function that other processes can import, or a method of an object that they can.
        batches: Key and arguments of each batch; read lazily, a few batches ahead of the results.
        place: Where the function runs.

    Raises:
        BadInput: No Ray cluster answers.
        WorkerKilledError: A process on this machine was ended from outside.
    """
    if place.ray is not None:
        yield from _on_ray(function, batches, place)
        return
    left = iter(batches)
    count = place.processes or _processors()
    for key, batch in left if count == 1 else islice(left, _HERE):
        yield key, function(*batch)
    first = next(left, None)
    if first is not None:
        yield from _in_processes(function, chain([first], left), count)


def _in_processes(
    function: Callable[..., Result], batches: Iterable[tuple[Key, Arguments]], count: int
) -> Iterator[tuple[Key, Result]]:
    from loky import get_reusable_executor
    from loky.process_executor import BrokenProcessPool

    environment = {**_ONE_THREAD, PARENT: str(os.getpid())}
    executor = get_reusable_executor(count, timeout=_IDLE_S, initializer=end_with_parent, env=environment)
    try:
        yield from _in_order(partial(executor.submit, function), lambda one: one.result(), batches, _AHEAD * count)
    except BrokenProcessPool as error:
        what = f"a process that cleans and compares texts was ended ({str(error).splitlines()[0]:.200})"
        raise WorkerKilledError(f"{what}; run again, with fewer launch.texts.processes if memory was short") from None


def end_processes() -> None:
    """End the processes on this machine now; a forked worker calls this, because it ends without exit handlers."""
    if "loky" in sys.modules:
        from loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown()


def _on_ray(
    function: Callable[..., Result], batches: Iterable[tuple[Key, Arguments]], place: Texts
) -> Iterator[tuple[Key, Result]]:
    import ray

    with nullcontext() if ray.is_initialized() else joined(place.ray, "launch.texts"):
        kept = ray.put(function)  # sent to each node once
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        # A task is repeated without limit only if its node is lost; an error of the function is raised here.
        task = ray.remote(_call).options(num_cpus=1, max_retries=-1, scheduling_strategy="SPREAD")
        yield from _in_order(partial(task.remote, kept), ray.get, batches, _AHEAD * count)


def _call(function: Callable[..., Result], *batch: Any) -> Result:
    return function(*batch)


def _in_order(
    submit: Callable[..., Any],
    result: Callable[[Any], Result],
    batches: Iterable[tuple[Key, Arguments]],
    ahead: int,
) -> Iterator[tuple[Key, Result]]:
    """Keep `ahead` batches under way, and yield the results in order."""
    pending: deque[tuple[Key, Any]] = deque()
    for key, batch in batches:
        pending.append((key, submit(*batch)))
        if len(pending) >= ahead:
            done, future = pending.popleft()
            yield done, result(future)
    while pending:
        done, future = pending.popleft()
        yield done, result(future)


def _processors() -> int:
    """Return the number of processors that this process may use; OMP_NUM_THREADS limits it, as it limits threads."""
    from loky import cpu_count

    count = int(cpu_count())  # not those of the machine: a container may have fewer
    return min(count, int(os.environ.get("OMP_NUM_THREADS") or count))
