"""Every selector by the worker that asks them, on the line's own tables."""

import json
import logging
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.selection.budget import within_budget
from getmore_assets.selection.context import Tables
from getmore_assets.stages.rankings import RankingRequest, select_spec
from getmore_assets.workers import REFUSED, select
from tests.in_process import run_worker

TABLES = tuple(Tables.__dataclass_fields__)
ENTRANTS = [{"selector": "random"}, {"selector": "mean"}]
SELECTORS = {
    "got-d": {"selector": "got-d"},
    "one-round": {"selector": "got-d-rounds", "rounds": {"rounds": 1, "lambda": 0.5}},
    "rounds": {"selector": "got-d-rounds", "rounds": {"rounds": 4, "lambda": 0.9}},
    "measured": {"selector": "got-d-rounds", "rounds": {"rounds": 2, "lambda": "auto", "damping": 0.9, "loss": 1.0}},
    "random": {"selector": "random"},
    "random-1": {"selector": "random", "seed": 1},
    "knn": {"selector": "knn"},
    "mean": {"selector": "mean"},
    "dsir": {"selector": "dsir"},
    "domain": {"selector": "domain"},
    "cynical": {"selector": "cynical"},
    "dsir-1": {"selector": "dsir", "seed": 1},
    "perplexity": {"selector": "perplexity"},
    "moore-lewis": {"selector": "moore-lewis"},
    "race": {"selector": "race", "entrants": ENTRANTS},
}
BUDGET = Budget(tokens=4000)


def ask(ran, work, selectors, threads=1, budget=BUDGET, **changes):
    """The worker's exit code, and what it was asked for."""
    work.mkdir()
    named = {n: Selector.model_validate({"name": n, **s}) for n, s in selectors.items()}
    asked = [RankingRequest(selector=one, budget=budget, path=work / n) for n, one in named.items()]
    made = {name: ran.records.get(name) for name in (*TABLES, "base_model")}
    task = Task.model_validate({**ran.fields, **changes})
    common = {"task": task, "lake": work / "lake", "work": work, "commit": {}}
    given = select_spec(common, lambda name: made[name].table, asked, made["ot_potentials"], made["base_model"]).given()
    (work / "spec.json").write_text(json.dumps(given))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return again(work), {one.selector.called: one for one in asked}
    finally:
        torch.set_num_threads(before)


def again(work):
    return run_worker("select", work / "spec.json", work / "result.json", 1).code


@pytest.fixture(scope="module")
def made(ran, tmp_path_factory):
    done, asked = ask(ran, tmp_path_factory.mktemp("select") / "work", SELECTORS)
    assert done == 0
    return asked


def picks(asked):
    return within_budget(asked.ranked(), BUDGET)["id"].to_list()


def test_every_selector_ranks_every_candidate_once(ran, made):
    candidates = ran.records.get("ot_potentials").facts["candidates"]
    for name, asked in made.items():
        rows = asked.ranked().sort("rank").collect()
        assert rows["rank"].to_list() == list(range(1, candidates + 1)), name
        assert rows["id"].n_unique() == candidates, name
        assert rows["score"].is_finite().all(), name
        assert 0 < sum(within_budget(rows, BUDGET)["n_tokens"]) <= 4000, name
        assert asked.facts().rank_seconds > 0


def test_selectors_differ_and_those_that_draw_differ_by_seed(made):
    chosen = {name: tuple(picks(asked)) for name, asked in made.items()}
    assert chosen["got-d"] == chosen["one-round"]
    assert chosen["race"] in (chosen["random"], chosen["mean"])
    different = {name: ids for name, ids in chosen.items() if name not in ("one-round", "race")}
    assert len(set(different.values())) == len(different)


def test_scores_mean_what_they_say(ran, made):
    text = ran.lake.latest("raw_corpus").scan().select("id", "text").collect()

    def mean_length(name):
        return text.filter(pl.col("id").is_in(picks(made[name])))["text"].str.len_chars().mean()

    assert mean_length("perplexity") > 0
    loss = made["perplexity"].ranked().sort("rank").collect().sort("id")["score"]
    assert 3 < loss.mean() < 8  # nats a token, of a model of 500 words
    difference = made["moore-lewis"].ranked().sort("rank").collect()["score"]
    assert difference.min() < difference.mean() < 0.5


def test_lambda_is_measured_and_what_was_seen_is_kept(made):
    facts = made["measured"].facts().given()
    assert 0 <= facts["lambda"] <= 1
    assert set(facts["losses"]) == {"pool", "picks", "target"}
    assert len(facts["costs"]) == 2
    assert made["rounds"].facts().lambda_ == 0.9


def test_a_race_says_who_won_and_by_what(made):
    facts = made["race"].facts().given()
    losses = {heat["entrant"]: heat["loss"] for heat in facts["heats"]}
    assert facts["winner"] == min(losses, key=losses.get)
    assert set(losses) == {"random", "mean"}
    assert len({heat["blocks"] for heat in facts["heats"]}) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_ids_again_and_on_another_number_of_threads(ran, made, tmp_path, threads):
    """Training adds up in another order on other numbers of threads, so what asks a model is held to its own number."""
    repeated = {
        name: fields
        for name, fields in SELECTORS.items()
        if made[name].selector.needs_base_model is (threads == 1) and name != "race"
    }
    done, repeats = ask(ran, tmp_path / "work", repeated, threads)
    assert done == 0
    for name, asked in repeats.items():
        assert picks(asked) == picks(made[name]), name


def test_losses_are_measured_once_for_all_selectors(made):
    """The base's by perplexity, Moore-Lewis and the rounds that read losses alike, and the tuned model's by two."""
    folder = made["perplexity"].path.parent / "lake" / "losses"
    counts = [pl.read_parquet(file) for file in folder.glob("*.parquet")]
    assert len(counts) == 2
    assert all(rows["id"].n_unique() == rows.height == made["perplexity"].ranked().collect().height for rows in counts)


def test_rounds_measure_the_loss_of_ten_times_the_budget_alone(ran, tmp_path):
    known = {"selector": "got-d-rounds", "rounds": {"rounds": 2, "lambda": 0.5, "loss": 1.0}}
    done, asked = ask(ran, tmp_path / "work", {"known": known}, budget=Budget(rows=20))
    assert done == 0
    measured = [pl.read_parquet(file) for file in (tmp_path / "work" / "lake" / "losses").glob("*.parquet")]
    assert [rows.height for rows in measured] == [200, 200]
    assert asked["known"].ranked().sort("rank").collect()["score"].is_finite().all()


def test_a_ranking_that_is_there_is_not_made_again(ran, tmp_path, caplog):
    caplog.set_level(logging.INFO, "getmore_assets")
    done, asked = ask(ran, tmp_path / "work", {"random": SELECTORS["random"]})
    assert done == 0
    assert "selector random: ranking" in caplog.text
    before = asked["random"].path.with_suffix(".parquet").stat().st_mtime_ns
    caplog.clear()
    assert again(tmp_path / "work") == 0
    assert "ranking" not in caplog.text
    assert asked["random"].path.with_suffix(".parquet").stat().st_mtime_ns == before


def test_what_another_tool_chose_enters_as_it_is(ran, made, tmp_path):
    ids = picks(made["knn"])[::-1]
    pl.DataFrame({"id": [*ids, "0" * 32]}).write_parquet(tmp_path / "rival.parquet")
    chosen = {"selector": "imported", "imported": {"path": str(tmp_path / "rival.parquet"), "id": "id"}}
    done, asked = ask(ran, tmp_path / "work", {"rival": chosen})
    assert done == 0
    assert asked["rival"].ranked().sort("rank").collect()["id"].to_list() == ids
    assert asked["rival"].facts().given()["not_candidates"] == 1
    pl.DataFrame({"id": ["0" * 32]}).write_parquet(tmp_path / "rival.parquet")
    done, _ = ask(ran, tmp_path / "again", {"rival": chosen})
    assert done == REFUSED
    assert "none of its 1 rows is eligible" in (tmp_path / "again" / "result.json").read_text()


def test_the_distance_is_of_the_rows_by_their_ids_and_each_must_be_a_candidate(tmp_path, monkeypatch):
    asked = []
    plan = SimpleNamespace(solve=lambda *given: asked.append(given) or SimpleNamespace(dual=0.25))
    monkeypatch.setattr(select, "plan_of", lambda _: plan)
    found = SimpleNamespace(index=lambda _: IdIndex.of(pl.Series(["a", "b", "c", "d"])))
    context = SimpleNamespace(found=found, work=tmp_path)
    assert select._distance(context, ["d", "a"], 0.5) == 0.25
    ((picks, share, start),) = asked
    assert (picks.tolist(), share, start) == ([3, 0], 0.5, None)
    with pytest.raises(LookupError, match="1 of 2 rows are no candidates"):
        select._distance(context, ["d", "z"], 0.5)


def test_contrast_needs_something_to_flee(ran, tmp_path):
    done, _ = ask(ran, tmp_path / "work", {"contrast": {"selector": "contrast"}})
    assert done == REFUSED
    assert "target.negative" in (tmp_path / "work" / "result.json").read_text()
