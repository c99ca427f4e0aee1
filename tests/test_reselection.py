"""A target and a pool that change: what is made again, what stands, and the way back to an earlier selection."""

import json
from pathlib import Path

import polars as pl
import pytest

from getmore_assets.corpus.leakage import Guard
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import getmore, task_fields, write_task


class Project:
    """A task whose files change."""

    def __init__(self, folder: Path, sources: Path, **changes) -> None:
        self.folder, self.sources = folder, sources
        self.train, self.pool = folder / "train.jsonl", folder / "pool.parquet"
        self.lines = _apart(sources)
        self.rows = pl.read_parquet(sources / "pool.parquet").sample(fraction=1, shuffle=True, seed=2)
        self.set_train(self.lines[:100])
        self.rows.head(1000).write_parquet(self.pool)
        fields = task_fields(sources, folder / "lake", candidates=[{"path": str(self.pool), "domain": "domain"}])
        fields["target"]["train"] = str(self.train)
        self.file = write_task(folder / "task.yaml", {**fields, **changes})
        self.records = Records(Lake(folder / "lake"), "tiny")

    def set_train(self, lines: list[str]) -> None:
        self.train.write_text("\n".join(lines) + "\n")

    def do(self, verb: str, *options: str) -> dict[str, str]:
        """Run a verb; each stage's status."""
        done = getmore(verb, str(self.file), *options, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        return {s["name"]: s["status"] for s in json.loads(done.stdout.splitlines()[-1])["stages"]}

    def facts(self, stage: str) -> dict:
        return self.records.get(stage).facts

    @property
    def hash(self) -> str:
        return self.facts("selected_subset")["selection_hash"]


def _apart(sources: Path) -> list[str]:
    """The lines of train that overlap nothing that is evaluated on, so that all of them stay in it."""
    splits = {name: pl.read_ndjson(sources / f"{name}.jsonl") for name in ("train", "validation", "test")}
    rows = {name: frame.select("text", id=pl.col("text"), split=pl.lit(name)) for name, frame in splits.items()}
    leaks = Guard(pl.concat([rows["validation"], rows["test"]])).leaks(rows["train"])
    lines = (sources / "train.jsonl").read_text().splitlines()
    return [line for line, text in zip(lines, splits["train"]["text"], strict=True) if text not in set(leaks["id"])]


def reproduced(project: Project, run: str) -> tuple[int, dict]:
    done = getmore("reproduce", run, "--lake", str(project.folder / "lake"), "--json")
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_changed_target_is_solved_from_the_last_potentials_and_comes_back_for_nothing(sources, tmp_path):
    project = Project(tmp_path, sources)
    project.do("select")
    hashes = {"first": project.hash}
    first = project.records.get("selected_subset")
    assert project.facts("ot_potentials")["decision"] == "solved"
    assert "change_jaccard" not in project.facts("selected_subset")

    project.set_train(project.lines[3:105])
    assert project.do("select")["domain_triage"] == "kept"  # no domain is left out, so nothing hangs on its distance
    hashes["second"] = project.hash
    potentials = project.facts("ot_potentials")
    assert potentials["decision"] == "solved from the last potentials"
    assert potentials["drift"]["rows"] == pytest.approx(5 / 102, abs=1e-6)
    assert potentials["drift"]["distance"] > 0
    assert project.facts("embeddings")["encoded"] == 5
    change = project.facts("selected_subset")
    assert change["change_added"] == change["change_dropped"] > 0
    assert change["change_jaccard"] == pytest.approx(
        (100 - change["change_added"]) / (100 + change["change_added"]), abs=1e-9
    )
    assert 0.5 < change["change_rank_correlation"] < 1
    assert sum(change["change_domains_added"].values()) == change["change_added"]
    assert Path(project.records.get("selected_subset").figures["difference"]).is_file()
    second = pl.read_parquet(project.records.get("selected_subset").folders["parquet"])

    project.set_train(project.lines[:100])
    status = project.do("select")
    assert project.hash == hashes["first"]
    assert status["domain_triage"] == status["embeddings"] == status["ot_potentials"] == "cached"
    back = pl.read_parquet(project.records.get("selected_subset").folders["parquet"])
    assert back["id"].to_list() != second["id"].to_list()  # what lies in exports/ is the one that was asked for now

    for rows in (108, 112, 116):
        project.set_train(project.lines[:rows])
        project.do("select")
    before = sorted(p.read_bytes() for p in (tmp_path / "lake/records").rglob("*.json"))
    versions = {t.name: len(list((t / "_delta_log").glob("*.json"))) for t in (tmp_path / "lake/tables").iterdir()}
    code, found = reproduced(project, hashes["second"][:12])
    assert (code, found["same"], found["hash"]) == (0, True, hashes["second"])
    assert found["decision"] == "solved from the last potentials"
    code, found = reproduced(project, first.dagster_run_id)
    assert (code, found["hash"], found["decision"]) == (0, hashes["first"], "solved")
    after = {t.name: len(list((t / "_delta_log").glob("*.json"))) for t in (tmp_path / "lake/tables").iterdir()}
    assert (after, sorted(p.read_bytes() for p in (tmp_path / "lake/records").rglob("*.json"))) == (versions, before)
    assert not list((tmp_path / "lake/work").iterdir())

    refused = getmore("reproduce", "no-such-run", "--lake", str(tmp_path / "lake"))
    assert refused.returncode == 2
    assert hashes["second"][:12] in refused.stderr


def test_a_selection_that_was_tampered_with_is_not_reproduced(sources, tmp_path):
    project = Project(tmp_path, sources)
    project.do("select")
    record = tmp_path / "lake/records/tiny/earlier/selected_subset"
    (path,) = record.glob("*.json")
    made = project.hash
    path.write_text(path.read_text().replace(made, "0" * len(made)))
    code, found = reproduced(project, "0" * 12)
    assert code == 1
    assert found["same"] is False
    assert found["hash"] == made


def test_small_drift_passes_the_gate_and_new_candidates_are_scored_without_a_solve(sources, tmp_path):
    project = Project(tmp_path, sources)
    # So many rows a dimension that a fit stays while a few rows come.
    gate = ("drift.rows=0.1", "transport.tolerance=0.1", "encoder.dimensions=8")
    project.do("select", *gate)
    made = project.hash
    project.set_train([*project.lines[2:100], *project.lines[110:112]])
    project.do("select", *gate)
    facts = project.facts("ot_potentials")
    assert (facts["decision"], facts["came"], facts["went"]) == ("rescored", 0, 0)
    assert facts["drift"]["rows"] == pytest.approx(0.02)
    assert project.hash == made
    assert reproduced(project, made[:12])[0] == 0
    assert project.do("select", *gate)["ot_potentials"] == "kept"

    known, others = project.rows.head(1000), project.rows.slice(1000)
    more = others.filter(pl.col("domain").is_in(known["domain"].implode())).head(20)
    pl.concat([known, more]).write_parquet(project.pool)
    status = project.do("select", *gate)
    facts = project.facts("ot_potentials")
    assert facts["decision"] == "rescored"
    assert status["domain_triage"] == "kept"
    assert facts["came"] == project.facts("embeddings")["encoded"] > 10
    assert facts["marginal_error"] <= 0.1
    assert (status["target_data"], status["ot_potentials"]) == ("cached", "materialized")
    assert facts["drift"]["rows"] == pytest.approx(0.02)  # still measured from the target that was solved for
    assert reproduced(project, project.hash[:12])[0] == 0

    # What the gate lets pass is measured from the target that was solved for, so small steps do not add up unseen.
    project.set_train([*project.lines[15:98], *project.lines[105:112]])
    project.do("select", *gate)
    assert project.facts("ot_potentials")["decision"] == "solved from the last potentials"

    project.set_train([*project.lines[16:98], *project.lines[105:113]])
    project.do("select", *gate)
    assert project.facts("ot_potentials")["decision"] == "rescored"
    project.do("select", *gate[1:])  # no gate any more: nothing that only it let pass stands
    assert project.facts("ot_potentials")["decision"] == "solved from the last potentials"

    test = project.folder / "test.jsonl"
    test.write_text("\n".join((sources / "test.jsonl").read_text().splitlines()[:-1]) + "\n")
    status = project.do("select", *gate, f"target.test={test}")
    assert status["target_data"] == "materialized"
    assert status["ot_potentials"] == "kept"


def test_an_increment_selects_what_a_selection_from_nothing_selects(sources, tmp_path):
    (tmp_path / "grown").mkdir()
    (tmp_path / "anew").mkdir()
    grown, anew = Project(tmp_path / "grown", sources), Project(tmp_path / "anew", sources)
    grown.rows.head(800).write_parquet(grown.pool)
    grown.do("select")
    for project in (grown, anew):
        project.rows.head(1000).write_parquet(project.pool)
        project.do("select")
    assert "of the pool's rows were added since" in grown.facts("embeddings")["refitted"]
    assert "refitted" not in anew.facts("embeddings")
    assert grown.facts("ot_potentials")["decision"] == "solved"
    picks = [set(pl.read_parquet(p.records.get("selected_subset").folders["parquet"])["id"]) for p in (grown, anew)]
    assert len(picks[0] & picks[1]) / len(picks[0] | picks[1]) > 0.95  # which near-duplicate is kept differs


def test_models_stand_until_the_selection_has_drifted_and_wait_for_an_approval(sources, tmp_path):
    project = Project(tmp_path, sources, compare=["none"], seeds=1, approval=True)
    project.do("select")
    refused = getmore("run", str(project.file))
    assert refused.returncode == 2
    assert "waits for an approval" in refused.stderr
    assert not project.records.was_materialized("warmed_model")
    done = getmore("approve", str(project.file), "--by", "someone", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["approved"] == project.hash
    project.do("run")

    base, warmed_on = project.facts("base_model"), project.hash
    project.set_train([*project.lines[2:100], *project.lines[110:112]])
    status = project.do("run", "drift.overlap=0.5")
    assert status["base_model"] == "cached"  # train alone changed: the base never saw it
    assert project.facts("base_model") == base
    assert (status["warmed_model"], status["finetuned_model"]) == ("kept", "materialized")
    assert project.hash != warmed_on
    scored = {row["selector"]: row["selection_hash"] for row in project.facts("scorecard")["scored"]}
    assert scored["got-d"] == warmed_on  # what the model was made of that stands
    project.set_train([*project.lines[3:100], *project.lines[110:113]])
    status = project.do("run", "drift.overlap=0.5", "drift.rows=0.1")
    assert (status["warmed_model"], status["finetuned_model"]) == ("kept", "kept")
    waits = getmore("run", str(project.file))
    assert waits.returncode == 2
    assert "waits for an approval" in waits.stderr
    code, found = reproduced(project, project.records.get("finetuned_model").mlflow_run_id)
    assert (code, found["same"]) == (0, True)

    # No model stands that was warmed up on a row which is tested on by now.
    warmed = project.records.get("warmed_model")
    picked = warmed.input_table("selected_subset").scan().select("text").first().collect().item()
    test = project.folder / "test.jsonl"
    test.write_text((sources / "test.jsonl").read_text() + json.dumps({"text": picked}) + "\n")
    refused = getmore("run", str(project.file), "drift.overlap=0.5", f"target.test={test}")
    assert refused.returncode == 2
    assert "waits for an approval" in refused.stderr
