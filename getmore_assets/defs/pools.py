"""The pool of Dagster in which stages wait for the GPU; it is called `gpu` unless a project says otherwise.

Belongs here: taking a place in it, and giving it back. Does not: which stage needs one (each says so).

Dagster itself takes the place of a step before the step begins, so a stage that is then found made has waited for
nothing; and it asks for a free place every 15 seconds at the most. Here a stage takes its place, of the same pool
and in the same storage, when it is about to work. Where whole runs wait (`granularity: run`, as on Kubernetes),
Dagster must know the pool before: there `GETMORE_RUNS_WAIT` puts it into the definitions, and nothing is taken here.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.instance.config import PoolGranularity

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


def declared(pool: str) -> str | None:
    """Return the pool of the assets, as Dagster is told it."""
    return pool if os.environ.get("GETMORE_RUNS_WAIT") else None


@contextmanager
def place_in_pool(context: dg.AssetExecutionContext, pool: str) -> Iterator[None]:
    """Hold a place in a pool for the step of this context; wait while all are taken.

    A place is given back at the end, and by Dagster's daemon where the run was killed
    (`free_slots_after_run_end_seconds`).
    """
    instance, step = context.instance, context.get_step_execution_context().step.key
    if declared(pool) or not _is_limited(instance, pool):
        yield
        return
    storage, run_id, told = instance.event_log_storage, context.run.run_id, False
    priority = int(context.run.tags.get("dagster/priority", "0"))
    try:
        while not storage.claim_concurrency_slot(pool, run_id, step, priority).is_claimed:
            if not told:
                log.info("%s: waiting for a place in the pool `%s`", context.asset_key.path[-1], pool)
                told = True
            time.sleep(_LOOK_EVERY_S)
        yield
    finally:
        storage.free_concurrency_slot_for_step(run_id, step)


def _is_limited(instance: dg.DagsterInstance, pool: str) -> bool:
    """Return whether stages wait for each other here; the pool is made where the instance has a default limit."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return False
    config = storage.get_pool_config()
    if config.pool_granularity == PoolGranularity.RUN:
        return False
    limits = {one.name: one for one in storage.get_pool_limits()}
    known, default = limits.get(pool), config.default_pool_limit
    if default is not None and (known is None or (known.from_default and known.limit != default)):
        storage.initialize_concurrency_limit_to_default(pool)
        return True
    return known is not None
