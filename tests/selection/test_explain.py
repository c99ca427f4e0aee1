"""What `explain` says of a row's place: each budget that it names is tried, and so is each score."""

import re
import shutil
import unicodedata
from dataclasses import asdict, fields, replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from getmore_assets.cli import main
from getmore_assets.config import Budget, Target, Task
from getmore_assets.corpus import leakage, target
from getmore_assets.corpus.identity import content_id
from getmore_assets.corpus.passages import clean
from getmore_assets.corpus.pool import pool_key
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.facts import RankingFacts, SelectionFacts
from getmore_assets.lake import Lake, TableRef
from getmore_assets.records import Record, Records
from getmore_assets.selection import choice, explain, race, selectors
from getmore_assets.selection.budget import within_budget
from getmore_assets.selection.context import SelectionContext, Tables
from tests.conftest import write_task
from tests.transport.problems import points, solved

N, M = 300, 12
NO_SELECTION = {
    **{"selection_hash": "", "encoder": "e", "epsilon": 0.1, "candidates": N, "excluded": 0, "n_tokens": 0},
    "ledger": {"path": "", "version": 0},
}
NO_FACTS = SelectionFacts.model_construct()  # of a row of the target, none is asked
X, Y = points(N, 8, 0), points(M, 8, 1, 0.5)
CANDIDATES, TRAIN = ([f"{side}{i:030x}" for i in range(n)] for side, n in (("c0", N), ("d1", M)))
N_TOKENS = np.random.default_rng(2).integers(1, 30, N)
WORDS = ["value", "name", "list", "file", "line", "error", "call", "type", "module", "string"]
ROWS, TOKENS = {"rows": 40}, {"tokens": 500}

ONE_ORDER = {
    "got-d": {"selector": "got-d"},
    "mean": {"selector": "mean"},
    "random": {"selector": "random", "seed": 3},
    "dsir": {"selector": "dsir"},
    "one-round": {"selector": "got-d-rounds", "rounds": {"rounds": 1, "lambda": 0.5}},
    "imported": {"selector": "imported", "imported": {"path": "rival.parquet", "id": "id"}},
}
PICKED = {
    "knn": {"selector": "knn"},
    "rounds": {"selector": "got-d-rounds", "rounds": {"rounds": 4, "lambda": 0.9}},
    "quotas": {"selector": "got-d", "quotas": {}},
    "quotas-knn": {"selector": "knn", "quotas": {}},
}
BOTH = pytest.mark.parametrize("budget", [ROWS, TOKENS], ids=["rows", "tokens"])


def task_of(**selection):
    given = {"name": "t", "candidates": [{"path": "p.parquet"}], "target": {"train": "t.jsonl"}, "compare": []}
    return Task(**given, selection=selection)


class Line:
    """Selections from a pool of three hundred rows, and what is said of them."""

    def __init__(self, home):
        self.home, self.lake = home, Lake(home / "lake")
        key, mine = pool_key(task_of()), {"target": "t"}
        texts = [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 6)) + f" {i}" for i in range(N)]
        pool = {"id": CANDIDATES, "text": texts, "source": "s", "domain": "d", "origin": "o", "n_tokens": N_TOKENS}
        unmarked = {"duplicate_of": pl.Series([None] * N, dtype=pl.String), "held_out": False}
        self.lake.replace("raw_corpus", pl.DataFrame({**pool, **unmarked}), {"pool": key}, {})
        parts = ["one" if at % 3 else "other" for at in range(M)]
        train = {"split": "train", "row": range(M), "id": TRAIN, "text": WORDS[0], "domain": parts}
        self.lake.replace("target_data", pl.DataFrame(train), mine, {})
        self.lake.replace("leakage", pl.DataFrame(schema=leakage.SCHEMA), mine, {})
        self.lake.replace("domain_triage", pl.DataFrame({"domain": ["d"], "kept": True}), mine, {})
        store.add(self.lake, "e", [*CANDIDATES, *TRAIN], np.concatenate([X, Y]), {})
        solution = solved(X, Y, tolerance=1e-4)
        sides = [("candidate", CANDIDATES, solution.f), ("target", TRAIN, solution.g)]
        solve = [
            {"side": s, "id": i, "weight": 1 / len(f), "potential": float(v)}
            for s, ids, f in sides
            for i, v in zip(ids, f, strict=True)
        ]
        self.lake.replace("ot_potentials", pl.DataFrame(solve), mine, {})
        self.tables = Tables(**{field.name: self.lake.latest(field.name) for field in fields(Tables)})
        pl.DataFrame({"id": CANDIDATES[::-3]}).write_parquet(home / "rival.parquet")

    def rank(self, selection, budget):
        """The ranked rows for a budget, and what the selector found out."""
        task = task_of(**selection, budget=budget)
        context = SelectionContext(task, self.lake, self.tables, "e", 0.1, None, self.home)
        made = selectors.rank(context, task.selection, Budget(**budget))
        return SimpleNamespace(rows=made.rows(context.eligible), facts=made.facts)

    def taken(self, selection, **budget):
        return set(within_budget(self.rank(selection, budget).rows, Budget(**budget))["id"])

    def select(self, selection, budget, tables=None, left=None):
        """Select, and give the ranking, how many of it are taken, and a function that explains a rank."""
        tables = tables or self.tables
        task, made = task_of(**selection, budget=budget), self.rank(selection, budget)
        chosen = choice.take(task, self.tables, "e", 0.1, made.rows.lazy())
        ledger = self.lake.replace("row_ledger", chosen.ledger, {"target": "t"}, {})
        own = {"encoder": "e", "epsilon": 0.1, "ledger": ledger, "candidates": N}
        facts = NO_FACTS.model_copy(update={**RankingFacts.model_validate(made.facts).__dict__, **own})
        ids = made.rows["id"]

        def say(rank):
            return explain.explain(task, tables, facts, left or {}, ids[rank - 1])

        return SimpleNamespace(rows=made.rows, taken=chosen.rows.height, say=say)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    return Line(tmp_path_factory.mktemp("explained"))


@pytest.fixture(autouse=True)
def at_home(line, monkeypatch):
    monkeypatch.chdir(line.home)  # where the file of the other tool is


def budget_of(change, ending):
    """The budget that a line names, as it is given in a task; None where no line ends so."""
    for said in change:
        found = re.fullmatch(rf"a budget of ([\d,]+) (rows|tokens)(?: \(([\d,]+) rows\))? {ending}", said)
        if found:
            return {found[2]: int(found[1].replace(",", ""))}
    return None


def one_more(budget, by=1):
    return {unit: amount + by for unit, amount in budget.items()}


@BOTH
@pytest.mark.parametrize("name", ONE_ORDER)
def test_in_one_order_the_budget_that_is_named_is_the_one_that_takes_the_row(line, name, budget):
    made = line.select(ONE_ORDER[name], budget)
    for rank in (2, made.taken, made.taken + 1, made.taken + 20):
        found, id_ = made.say(rank), made.rows["id"][rank - 1]
        assert found.rank == rank
        if rank <= made.taken:
            most = budget_of(found.change, "or fewer would leave it out")
            assert most.keys() == budget.keys()
            assert id_ not in line.taken(ONE_ORDER[name], **most)
            assert id_ in line.taken(ONE_ORDER[name], **one_more(most))
        else:
            least = budget_of(found.change, "or more would take it")
            assert least.keys() == budget.keys()
            assert id_ in line.taken(ONE_ORDER[name], **least)
            assert id_ not in line.taken(ONE_ORDER[name], **one_more(least, -1))


@BOTH
@pytest.mark.parametrize("name", ["got-d", "mean", "one-round", "random"])
def test_where_scores_are_cut_the_score_that_is_named_takes_the_row(line, name, budget):
    made = line.select(ONE_ORDER[name], budget)
    for rank in (made.taken + 1, made.taken + 7, made.taken + 20):
        found, id_ = made.say(rank), made.rows["id"][rank - 1]
        assert found.cut == made.rows["score"][made.taken - 1]
        (said,) = (line for line in found.change if line.startswith("its score would have to be lower by "))
        to = float(said.rpartition(" ")[2])

        def taken_at(score, id_=id_):
            moved = pl.when(pl.col("id") == id_).then(score).otherwise("score").alias("score")
            ranked = made.rows.drop("rank").with_columns(moved).sort("score", "id").with_row_index("rank", 1)
            return id_ in within_budget(ranked, Budget(**budget))["id"].to_list()

        assert taken_at(to - 1e-4)
        assert not taken_at(to + 1e-4)


def test_so_many_more_candidates_of_lower_scores_leave_a_row_out(line):
    made = line.select(ONE_ORDER["got-d"], ROWS)
    assert made.say(31).change[1] == "10 more candidates with a lower score than its own would leave it out"
    made = line.select(ONE_ORDER["got-d"], TOKENS)
    left = 500 - made.rows["n_tokens"][:5].sum()
    assert (
        f"candidates with a lower score than its own, of {left + 1} tokens or more together," in made.say(5).change[1]
    )
    assert made.say(1).change[0] == "no budget leaves it out: it comes first"


def test_a_row_of_more_tokens_than_the_budget_has_no_score_that_would_do(line):
    made = line.select(ONE_ORDER["got-d"], {"tokens": 20})
    large, *_ = made.rows.filter(pl.col("n_tokens") > 20)["rank"]
    found = made.say(large)
    assert "more than the budget: at no rank would it be taken" in found.change[0]
    assert budget_of(found.change, "or more would take it") == {"tokens": made.rows["n_tokens"][:large].sum()}


@BOTH
@pytest.mark.parametrize("name", PICKED)
def test_of_what_is_picked_one_by_one_no_score_and_no_larger_budget_is_promised(line, name, budget):
    made = line.select(PICKED[name], budget)
    for rank in (2, made.taken, made.taken + 1, made.taken + 20):
        found, id_ = made.say(rank), made.rows["id"][rank - 1]
        words = "\n".join(found.change)
        assert (found.rank, found.cut) == (rank, None)
        assert "or more would take it" not in words
        assert "lower score than its own would" not in words
        assert "its score would have to be lower" not in words
        most = budget_of(found.change, "or fewer would leave it out")
        if most:
            assert rank <= made.taken
            assert id_ not in line.taken(PICKED[name], **most)
            assert id_ in line.taken(PICKED[name], **one_more(most))
        else:
            assert f"a {'smaller' if rank <= made.taken else 'larger'} one may " in words


def test_of_nearest_neighbours_it_is_said_whose_turn_decides(line):
    made = line.select(PICKED["knn"], ROWS)
    picked, missed = made.say(40), made.say(41)
    assert "with score" not in picked.stages[-1][2]
    assert "each target row takes, in its turn, the nearest candidate left" in picked.stages[-1][2]
    assert picked.change[0] == "a budget of 39 rows or fewer would leave it out"
    assert "its score does not decide that" in missed.change[0]
    assert line.taken(PICKED["knn"], rows=60) != set(made.rows["id"][:60])  # a rank beyond the cut is no budget


def test_of_rounds_it_is_said_which_picked_a_row_and_how_far_it_is_from_the_last(line):
    made = line.select(PICKED["rounds"], ROWS)
    for rank, number in ((1, 1), (10, 1), (11, 2), (40, 4)):
        assert made.say(rank).stages[-1][2].endswith(f"of 4 rounds, round {number} picked it")
    missed = made.say(45)
    assert missed.stages[-1][2].endswith("of 4 rounds, none picked it")
    last, own = made.rows["score"][39], made.rows["score"][44]
    assert missed.change[1] == f"in the last round, the score would have to be lower by {own - last:.6g}, to {last:.6g}"


def test_of_a_race_it_is_said_who_won_and_what_is_true_of_the_winner(line, monkeypatch):
    entrants = [{"selector": "mean"}, {"selector": "knn", "name": "nearest"}]
    heat = race.TrialRun("nearest", 1.0, 1, 1.0)
    monkeypatch.setattr(race, "run", lambda *_: [heat])
    made = line.select({"selector": "race", "entrants": entrants}, ROWS)
    missed = made.say(41)
    assert missed.stages[-1][2].startswith("race: nearest won; rank 41")
    assert "its score does not decide that" in missed.change[0]
    assert missed.change[-1].endswith("statements on budgets hold while nearest wins")


@pytest.mark.parametrize("name", ["random", "dsir"])
def test_of_a_draw_it_is_said_that_another_seed_draws_anew(line, name):
    made = line.select(ONE_ORDER[name], ROWS)
    assert made.say(3).change[-1] == "another `seed` draws other scores, and might leave it out"
    assert made.say(43).change[-1] == "another `seed` draws other scores, and might take it"


def test_of_what_another_tool_chose_its_order_decides(line):
    made = line.select(ONE_ORDER["imported"], ROWS)
    assert made.say(3).change[1] == "38 more rows that the other tool puts before it would leave it out"
    missed = made.say(45)
    assert "in the order of the other tool" in missed.stages[-1][2]
    assert missed.change[0] == "the other tool would have to put it 5 places earlier"


TESTED = "the loop waits for what a socket has and gives it to the one who asked first"
OF_TRAIN = {
    "kept": "a header of a message is folded where its line would be too long",
    "near": f"{TESTED} today",
    "same": "a parser reads what the feeder has fed it until then",
}


@pytest.fixture
def leaking(line, tmp_path):
    """The task, its tables and what was taken out, of a target whose train leaks."""
    of_split = {
        "train": [*OF_TRAIN.values(), "a second row that is kept"],
        "validation": ["a policy says how addresses are written"],
        "test": [TESTED, OF_TRAIN["same"]],
    }
    for split, texts in of_split.items():
        pl.DataFrame({"text": texts}).write_ndjson(tmp_path / f"{split}.jsonl")
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in of_split}
    task = task_of(budget=ROWS).model_copy(update={"target": Target(**paths), "lake": str(tmp_path / "lake")})
    rows, facts = target.read_target(task)
    made = Lake(task.lake).replace("target_data", rows, {"target": "t"}, {})
    others = {name: table for name, table in vars(line.tables).items() if name != "target_data"}
    for name, table in others.items():  # records name tables of their own lake
        shutil.copytree(table.path, Lake(task.lake).table(name))
    own = {name: TableRef(Lake(task.lake).table(name), table.version) for name, table in others.items()}
    return task, replace(line.tables, target_data=made, **own), facts.left


def test_a_row_of_train_says_whether_it_is_in_train_or_why_it_was_taken_out(leaking):
    task, tables, left = leaking
    ids = {kind: content_id(text) for kind, text in OF_TRAIN.items()}
    found = {kind: explain.explain(task, tables, NO_FACTS, left, id_) for kind, id_ in ids.items()}
    assert found["kept"].stages == [("target_data", "in train", "")]
    assert found["kept"].row["text"] == OF_TRAIN["kept"]
    overlap = f"overlaps test: near of {content_id(TESTED)}"
    assert found["near"].stages == [("target_data", "taken out of train", overlap)]
    assert found["near"].row["origin"].endswith("train.jsonl:2")
    assert found["near"].change[0].endswith("or set `leakage: allow`")
    assert found["same"].decision == "in test, taken out of train"
    assert found["same"].change == ["the same text would have to leave the target's evaluated rows"]
    for kind, text in OF_TRAIN.items():
        assert explain.explain(task, tables, NO_FACTS, left, text) == found[kind]
        assert explain.explain(task, tables, NO_FACTS, left, ids[kind][:8]) == found[kind]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("piece", ["café", "Straße", "ガラス", "한국"])
def test_a_piece_of_a_text_is_found_in_any_unicode_form(piece, form):
    rows = pl.DataFrame({"id": ["a", "b"], "text": ["nothing of it", clean(f"a text with {piece} in it")]})
    assert explain._matching(rows.lazy(), unicodedata.normalize(form, piece))["id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Apples are red.", ["whole"]),  # the whole of one text, and the beginning of another
        ("Apples are red. And", ["longer"]),
        ("20240115", ["dated"]),  # could be an id, and is none
        ("ABCDEF0123", ["abcdef0123"]),
        ("one\r\ntwo", ["lines"]),
        ("one\ntwo\x0c", ["lines"]),
        ("nothing of it", []),
    ],
)
def test_a_row_is_found_by_its_id_then_its_text_then_a_piece(name, found):
    rows = {
        "whole": "Apples are red.",
        "longer": "Apples are red. And pears are green.",
        "dated": "It was 20240115 then.",
        "abcdef0123": "A row with an id.",
        "lines": "one\ntwo three",
    }
    frame = pl.DataFrame({"id": list(rows), "text": [clean(text) for text in rows.values()]})
    assert explain._matching(frame.lazy(), name)["id"].to_list() == found


def test_a_name_that_several_rows_of_the_target_have_or_none_is_refused(leaking):
    task, tables, left = leaking
    with pytest.raises(BadInput, match="is in several rows of the target"):
        explain.explain(task, tables, NO_FACTS, left, " is ")
    with pytest.raises(BadInput, match="was not found in the pool or the target"):
        explain.explain(task, tables, NO_FACTS, left, "0" * 32)


def test_a_row_of_the_pool_that_train_has_too_says_so(line, leaking):
    task, tables, _ = leaking
    rows = tables.target_data.scan().collect()
    twin = rows.filter(split="train").head(1).with_columns(id=pl.lit(CANDIDATES[4]))
    held = Lake(task.lake).replace("target_data", pl.concat([rows, twin]), {"target": "t"}, {})
    gone = {"train": [{"id": CANDIDATES[5], "origin": "t.jsonl:9", "reason": "overlaps test: piece of x"}]}
    made = line.select({"selector": "mean"}, ROWS, replace(tables, target_data=held), gone)
    ids = made.rows["id"].to_list()
    kept, out = (made.say(ids.index(CANDIDATES[at]) + 1) for at in (4, 5))
    assert kept.stages[0] == ("target_data", "in train", "")
    assert out.stages[0] == ("target_data", "taken out of train", "overlaps test: piece of x")
    assert kept.decision in ("selected", "not selected")


def record(stage, table, facts, **fields):
    blank = dict.fromkeys(("fingerprint", "data_version", "code_version", "dagster_run_id", "made_at"), "")
    empty = {"inputs": {}, "lineage": {}, "folders": {}, "rows": 1, "seconds": 0.0, "peak_rss_mb": 0.0}
    given = {**blank, **empty, "mlflow_run_id": None, "mlflow_url": None, **fields}
    return Record(stage, "t", table=table, facts=facts, **given)


def test_what_left_train_is_that_of_the_target_that_was_selected_for(leaking, tmp_path):
    task, tables, left = leaking
    records, now = Records(Lake(task.lake), "t"), replace(tables.target_data, version=7)
    lineage = {f"table.{name}": f"{one['path']}@v{one['version']}" for name, one in asdict(tables).items()}
    given = task.model_dump(mode="json", exclude_unset=True)
    selected = {"lineage": lineage, "settings": given}
    records.put(record("target_data", tables.target_data, {"left": left}, fingerprint="a"))
    records.put(record("target_data", now, {"left": {}}, fingerprint="b"))
    records.put(record("selected_subset", tables.target_data, {**NO_SELECTION}, **selected))
    id_ = content_id(OF_TRAIN["near"])
    done = CliRunner().invoke(main, ["explain", str(write_task(tmp_path / "t.yaml", given)), id_])
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"{id_}: taken out of train" in done.stdout
    assert "train.jsonl:2" in done.stdout
