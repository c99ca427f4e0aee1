"""The pool `gpu`: who works waits for a place and gives it back; who finds its work done does not wait."""

import os
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest

from tests.defs.materializing import materialize

GPU = "gpu"
ANOTHER_RUN = "3f2b8a51-90f7-4f0e-9d0a-5b2f3f0c5a11"


@pytest.fixture(params=["op"])
def instance(request, tmp_path):
    limits = {"concurrency": {"pools": {"default_limit": 1, "granularity": request.param}}}
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), overrides=limits) as instance:
        instance.add_dynamic_partitions("target", ["tiny"])
        yield instance


def take_the_place(instance):
    instance.event_log_storage.initialize_concurrency_limit_to_default(GPU)
    assert instance.event_log_storage.claim_concurrency_slot(GPU, ANOTHER_RUN, "warmed_model").is_claimed


def give_it_back(instance):
    instance.event_log_storage.free_concurrency_slots_for_run(ANOTHER_RUN)


def held(instance):
    """The steps that hold a place, and those that wait for one."""
    info = instance.event_log_storage.get_concurrency_info(GPU)
    return [step.step_key for step in info.claimed_slots], [
        step.step_key for step in info.pending_steps if not step.assigned_timestamp
    ]


def embed(instance, ran, *overrides):
    return materialize("embeddings", ran.file, instance, *overrides)


def test_a_stage_that_is_found_made_does_not_wait(instance, ran_copy):
    take_the_place(instance)
    assert embed(instance, ran_copy).success  # would wait for ever else: the place is never given back


def test_a_stage_that_works_waits_for_its_place_and_gives_it_back(instance, ran_copy):
    take_the_place(instance)
    results = []
    working = threading.Thread(target=lambda: results.append(embed(instance, ran_copy, "encoder.dimensions=8")))
    working.start()
    while not held(instance)[1]:
        assert working.is_alive()
        time.sleep(0.05)
    assert held(instance) == (["warmed_model"], ["embeddings"])
    give_it_back(instance)
    working.join()
    assert results[0].success
    assert held(instance) == ([], [])


def test_a_stage_that_fails_gives_its_place_back(instance, ran_copy, monkeypatch):
    def fail(*_):
        assert held(instance) == (["embeddings"], [])
        raise RuntimeError("no vectors today")

    monkeypatch.setattr("getmore_assets.stages.embeddings.candidates.find", fail)
    assert not embed(instance, ran_copy, "encoder.dimensions=8").success
    assert held(instance) == ([], [])


@pytest.mark.parametrize("instance", ["run"], indirect=True)
def test_where_whole_runs_wait_a_stage_does_not(instance, ran_copy):
    take_the_place(instance)
    assert embed(instance, ran_copy, "encoder.dimensions=8").success


def test_where_whole_runs_wait_dagster_knows_the_pool_of_every_stage_that_works_on_a_gpu():
    show = (
        "from getmore_assets.definitions import defs; "
        "print(*sorted(n.key.path[-1] for n in defs.resolve_asset_graph().asset_nodes if n.pools == {'gpu'}))"
    )
    environment = {**os.environ, "GETMORE_RUNS_WAIT": "1"}
    done = subprocess.run([sys.executable, "-c", show], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [
        "base_model",
        "domain_triage",
        "embeddings",
        "finetuned_model",
        "ot_potentials",
        "scorecard",
        "selected_subset",
        "warmed_model",
    ]
