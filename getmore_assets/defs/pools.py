"""The Dagster pool in which stages wait for a GPU, named `gpu` by default.

Belongs here: claiming and freeing a slot. Does not: which stages need a slot (`Stage.on_gpu`).

Dagster claims the slot of a step before the step begins, so a cached stage would wait for a slot that it does not need;
and Dagster looks for a free slot only every 15 seconds. A stage therefore claims its slot itself, in the same pool and
storage, when it is about to compute. If Dagster makes whole runs wait (`granularity: run`, as on
Kubernetes), set `GETMORE_RUNS_WAIT`: the assets then declare the pool, and stages claim no slots.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.instance.config import PoolGranularity

log = logging.getLogger(__name__)

_POLL_S = 0.5


def declared_pool(pool: str) -> str | None:
    """Return the pool that the assets declare, or None if stages claim their slots themselves."""
    return pool if os.environ.get("GETMORE_RUNS_WAIT") else None


@contextmanager
def pool_slot(context: dg.AssetExecutionContext, pool: str) -> Iterator[None]:
    """Hold a slot of a pool for the step of this context; wait while all slots are taken.

    The slot of a killed run is freed by Dagster's daemon (`free_slots_after_run_end_seconds`).
    """
    instance, step = context.instance, context.get_step_execution_context().step.key
    if declared_pool(pool) or not _is_limited(instance, pool):
        yield
        return
    storage, run_id, logged = instance.event_log_storage, context.run.run_id, False
    priority = int(context.run.tags.get("dagster/priority", "0"))
    try:
        while not storage.claim_concurrency_slot(pool, run_id, step, priority).is_claimed:
            if not logged:
                log.info("%s: waiting for a slot in the pool `%s`", context.asset_key.path[-1], pool)
                logged = True
            time.sleep(_POLL_S)
        yield
    finally:
        storage.free_concurrency_slot_for_step(run_id, step)


def _is_limited(instance: dg.DagsterInstance, pool: str) -> bool:
    """Return whether the pool has a limit; create the pool if the instance has a default limit."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return False
    config = storage.get_pool_config()
    if config.pool_granularity == PoolGranularity.RUN:
        return False
    limit, default = {each.name: each for each in storage.get_pool_limits()}.get(pool), config.default_pool_limit
    if default is not None and (limit is None or (limit.from_default and limit.limit != default)):
        storage.initialize_concurrency_limit_to_default(pool)
        return True
    return limit is not None
