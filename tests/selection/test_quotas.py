import numpy as np
import polars as pl
import pytest

from getmore_assets import preflight
from getmore_assets.config import Selector, Task
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.selection import quotas
from tests.conftest import getmore, task_fields, write_task


def test_parts_take_turns_by_their_shares_and_no_row_twice():
    orders = [np.array([0, 1, 2, 3, 4, 5, 6, 7]), np.array([1, 0, 7, 6, 5, 4, 3, 2])]
    order, by = quotas.in_turn(orders, [0.75, 0.25], np.ones(8), 4)
    assert order.tolist() == [0, 1, 2, 3]
    assert by.tolist() == [0, 1, 0, 0]
    order, by = quotas.in_turn(orders, [0.5, 0.5], np.ones(8), 100)
    assert sorted(order) == list(range(8))  # more than there is: all, once
    assert by.tolist() == [0, 1] * 4


def test_turns_go_by_what_is_spent_not_by_rows():
    price = np.array([10.0, 1, 1, 1, 1, 1])
    order, by = quotas.in_turn([np.array([0, 1, 2, 3, 4, 5]), np.array([5, 4, 3, 2, 1, 0])], [0.5, 0.5], price, 14)
    assert order.tolist() == [0, 5, 4, 3, 2]
    assert by.tolist() == [0, 1, 1, 1, 1]


@pytest.fixture(scope="module")
def uneven(sources, tmp_path_factory):
    """A task whose train is a folder of two targets, one six times as large as the other."""
    home = tmp_path_factory.mktemp("uneven")
    train = pl.read_ndjson(sources / "train.jsonl")
    (home / "train").mkdir()
    for name, rows in (("asyncio", 60), ("email", 10)):
        train.filter(pl.col("label") == name).head(rows).write_ndjson(home / "train" / f"{name}.jsonl")
    fields = task_fields(sources, home / "lake")
    fields["target"]["train"] = str(home / "train")
    return home, fields


def select(home, fields, **selection):
    fields = {**fields, "selection": {"selector": "got-d", "budget": {"rows": 100}, **selection}}
    done = getmore("select", str(write_task(home / "task.yaml", fields)), "--json")
    assert done.returncode == 0, done.stderr[-4000:]
    record = Records(Lake(fields["lake"]), "tiny").get("selected_subset")
    return record, record.table_ref().scan().sort("rank").collect()


def near(picks, target):
    """The share of picks that the plan sends to a part of the target."""
    return picks["nearest_target_ids"].list.first().is_in(target["id"].to_list()).mean()


def test_a_small_target_has_its_share(uneven):
    home, fields = uneven
    whole, without = select(home, fields)
    record, picks = select(home, fields, quotas={"shares": {"asyncio": 1, "email": 1}})
    assert "scores" in whole.figures
    assert "scores" not in record.figures  # parts take turns: no one score cuts
    found = record.facts["quotas"]
    assert {name: (one["share"], one["picks"]) for name, one in found.items()} == {
        "asyncio": (0.5, 50),
        "email": (0.5, 50),
    }
    target = Records(Lake(fields["lake"]), "tiny").get("target_data").table_ref().scan().collect()
    email = target.filter((pl.col("split") == "train") & (pl.col("domain") == "email"))
    assert near(picks, email) > 1.5 * near(without, email) > 0
    assert picks["id"].n_unique() == picks.height == 100
    in_rounds, _ = select(
        home, fields, selector="got-d-rounds", rounds={"rounds": 2, "lambda": 0.5}, quotas={"shares": {"email": 1}}
    )
    assert in_rounds.facts["quotas"]["email"]["picks"] == 100
    assert in_rounds.facts["lambda"] == 0.5


def test_a_part_that_is_not_there_is_refused_before_work(uneven, tmp_path):
    _, fields = uneven
    asked = {"budget": {"rows": 100}, "quotas": {"shares": {"asyncio": 1, "emial": 1}}}
    task = Task.model_validate({**fields, "lake": str(tmp_path / "lake"), "selection": asked})
    with pytest.raises(BadInput, match=r"no row of target.train has the domain `emial`.*asyncio, email"):
        preflight.check(task)


def test_quotas_that_mean_nothing_are_refused(uneven):
    _, fields = uneven
    for selector in ("random", "perplexity"):
        with pytest.raises(ValueError, match="does not read the target"):
            Selector(selector=selector, quotas={})
    with pytest.raises(ValueError, match="all shares are 0"):
        Selector(quotas={"shares": {"a": 0}})
    with pytest.raises(ValueError, match=r"needs `target\.label`"):
        Task.model_validate({**fields, "selection": {"quotas": {"by": "label"}}})
