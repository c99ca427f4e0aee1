"""A ground on real tables: potentials that belong to its target, and the task's problem in all that is solved on it."""

from dataclasses import fields

import numpy as np
import polars as pl
import pytest

from getmore_assets.config import Quotas, Task
from getmore_assets.corpus.candidates import Candidates
from getmore_assets.encoders import store
from getmore_assets.lake import Lake, TableRef
from getmore_assets.selection import contrast, explain, quotas, race, rounds, trials
from getmore_assets.selection.context import SelectionContext, Tables
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import NotConvergedError, solve
from tests.transport.problems import points

N, M = 400, 20
X, Y = points(N, 8, 0), points(2 * M, 8, 1, 0.5)
CANDIDATES, TRAIN, FLED = ([f"{side}{i:030x}" for i in range(n)] for side, n in (("c0", N), ("d1", M), ("e2", M)))


def target(ids, split="train"):
    """Rows of a target; every other row of it is of another domain."""
    domains = [("one", "other")[at % 2] for at in range(len(ids))]
    return pl.DataFrame({"split": split, "row": range(len(ids)), "id": ids, "text": ids, "domain": domains})


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    vectors = {**dict(zip(CANDIDATES, X, strict=True)), **dict(zip([*TRAIN, *FLED], Y, strict=True))}
    store.add(lake, "e", list(vectors), np.array(list(vectors.values())), {})
    lake.replace("target_data", pl.concat([target(TRAIN), target(FLED, "negative")]), {"target": "t"}, {})
    sides = [("candidate", CANDIDATES), ("target", TRAIN)]
    rows = [
        {"side": side, "id": i, "weight": 1 / len(ids), "potential": 0.01 * at}
        for side, ids in sides
        for at, i in enumerate(ids)
    ]
    lake.replace("ot_potentials", pl.DataFrame(rows), {"target": "t"}, {})
    return lake


def ground_of(lake, work, **settings):
    task = Task(name="t", candidates=[{"path": "p.parquet"}], target={"train": "t.jsonl"}, **settings)
    made = {name: lake.latest(name) or TableRef("none", 0) for name in (field.name for field in fields(Tables))}
    epsilon = task.transport.epsilon * build_problem(X, Y[:M]).mean_cost
    context = SelectionContext(task, lake, Tables(**made), "e", epsilon, None, work)
    rows = pl.DataFrame({"id": CANDIDATES, "n_tokens": np.arange(N) % 7 + 1})
    constant = {name: pl.lit(name) for name in ("source", "domain")}
    vars(context)["found"] = Candidates(rows.lazy().with_columns(**constant, out=pl.lit(False)))
    return context


def test_a_point_that_a_drifted_target_gained_starts_at_the_g_of_the_nearest_old_one(lake, tmp_path):
    came = f"d1{'f' * 30}"
    store.add(lake, "e", [came], Y[7:8], {})
    lake.replace("target_data", target([*TRAIN[3:], came]), {"target": "t"}, {})
    allows = ground_of(lake, tmp_path, drift={"rows": 0.3})
    assert allows.points["id"].to_list() == [*TRAIN[3:], came]
    assert allows.points["potential"].to_list() == pytest.approx([*(0.01 * at for at in range(3, M)), 0.07])
    with pytest.raises(LookupError, match="1 of 18 target rows have no potential"):
        _ = ground_of(lake, tmp_path).points


def test_a_target_row_that_is_gone_is_said_to_be_gone(lake, tmp_path):
    lake.replace("target_data", target(TRAIN[:1]), {"target": "t"}, {})
    context = ground_of(lake, tmp_path, drift={"rows": 1.0})
    found = explain._nearest(context.task, context.tables, "e", context.epsilon, CANDIDATES[0])
    assert len(found) == 3
    assert sum(one.share for one in found) <= 1
    assert all((one.text == one.id) is (one.id == TRAIN[0]) for one in found)
    assert any("has left the target" in one.text for one in found)


@pytest.mark.parametrize("given_in", ["relative", "absolute"])
def test_all_that_is_solved_on_a_ground_has_the_tasks_relaxation(lake, tmp_path, given_in):
    asked = {"epsilon": 0.1, "epsilon_is": given_in, "target_relaxation": 0.05, "tolerance": 1e-4}
    context = ground_of(lake, tmp_path, transport=asked)
    if given_in == "absolute":
        object.__setattr__(context, "epsilon", 0.1)
    unit = build_problem(X, Y[:M]).mean_cost if given_in == "relative" else 1.0
    object.__setattr__(context, "relaxation", 0.05 * unit)  # as the record of the potentials says
    plan = rounds.plan_of(context)
    assert plan.relaxation == pytest.approx(0.05 * unit)
    part, _ = quotas.parts(context, Quotas())[0]
    alone = solve(CpuPass(build_problem(X, Y[:M:2])), context.epsilon, tolerance=1e-4, relaxation=0.05 * unit)
    np.testing.assert_allclose(part.f, alone.f, atol=1e-3)
    fled = build_problem(X, Y[M:])
    its = fled.mean_cost if given_in == "relative" else 1.0
    away, _ = contrast.potentials(context)
    expected = solve(CpuPass(fled), 0.1 * its, tolerance=1e-4, relaxation=0.05 * its)
    np.testing.assert_allclose(away, expected.f, atol=1e-3)


def test_losses_are_measured_on_a_draw_of_validation_and_not_on_the_top_of_a_sorted_file(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(race, "_MOST_TEXTS", 30)
    monkeypatch.setattr(trials, "_MOST_TEXTS", 30)
    rows = target([*(f"a{at:031x}" for at in range(60)), *(f"b{at:031x}" for at in range(60))], "validation")
    lake.replace("target_data", pl.concat([target(TRAIN), rows]), {"target": "t"}, {})
    context, measured = ground_of(lake, tmp_path), []
    vars(context)["texts_of"] = lambda ids: ids
    asked = trials.Trials(context)
    vars(asked)["general"] = ["general"]
    monkeypatch.setattr(trials.Trials, "blocks", lambda *_: 1)
    monkeypatch.setattr(trials.Trials, "base", lambda _: (None, None))
    monkeypatch.setattr(trials.Trials, "warm", lambda *_, **__: 1)
    monkeypatch.setattr(trials.Trials, "loss", lambda _trials, _m, _t, texts: measured.append(texts) or 1.0)
    race.run(asked, {"random": lambda: ["x"]}, seeds=(0,))
    asked.moves(["x", "y"])
    (in_a_race,), (of_a_probe, after) = measured[:1], (measured[3], measured[6])
    assert in_a_race == of_a_probe == after
    assert len(in_a_race) == 30
    assert 8 < sum(text.startswith("b") for text in in_a_race) < 22
    assert context.split("validation") == rows["text"].to_list()
    part, _ = quotas.parts(context, Quotas())[0]
    assert part.split("validation", 30) == in_a_race
    assert part.split("train") == TRAIN[::2]


def test_all_that_is_solved_on_a_ground_has_the_tasks_limit_of_passes(lake, tmp_path):
    context = ground_of(lake, tmp_path, transport={"max_passes": 1, "tolerance": 1e-9})
    assert rounds.plan_of(context).max_passes == 1
    with pytest.raises(NotConvergedError, match="after 1 passes"):
        _ = quotas.parts(context, Quotas())[0][0].f
    with pytest.raises(NotConvergedError, match="after 1 passes"):
        contrast.potentials(context)
