"""What the command prints: to a pipe no control codes, corpus text word for word, help that is whole, completion."""

import json
import os
import re
import subprocess
import sys

import click
import polars as pl
import pytest
from click.testing import CliRunner

from getmore_assets.cli import COMMANDS, main
from getmore_assets.reporting.tables import MEANING
from tests.defs import damage as d

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NASTY = "see [/a] and [red]this[/] \x1b[31mnow\x1b[0m\x07"


@pytest.fixture
def copy(ran, tmp_path, monkeypatch):
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return d.Copy(ran, tmp_path)


def test_a_whole_run_in_a_pipe_writes_no_control_codes(ran):
    assert "scorecard: mean" in ran.said  # every stage was made while this was said
    assert not CONTROL.search(ran.said)


def test_a_run_ends_with_the_metrics_that_matter_what_they_mean_and_what_to_do_next(ran):
    printed = ran.said[ran.said.index("scorecard: mean") :]
    assert "general_perplexity" in printed
    assert "nats_per_character" not in printed
    assert f"{MEANING['general_perplexity']}" in printed
    assert "more metrics: --verbose, and the report" in printed
    assert ran.printed["next"]
    for step in ran.printed["next"]:
        assert f"next: {step}" in printed


@pytest.mark.parametrize("verb", ["select", "check", "explain", "approve", "doctor", "init", "status"])
def test_no_verb_writes_control_codes_to_a_pipe_and_each_ends_with_one_json_object(copy, ran, verb, tmp_path):
    of_verb = {
        "explain": [str(copy.task), ran.records.get("selected_subset").table_ref().scan().collect()["id"][0]],
        "init": [ran.fields["candidates"][0]["path"], "--target", ran.fields["target"]["train"]],
    }
    more = ["--to", str(tmp_path / "drafted.yaml")] if verb == "init" else []
    done = CliRunner().invoke(main, [verb, *of_verb.get(verb, [str(copy.task)]), *more, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert isinstance(json.loads(done.stdout.splitlines()[-1]), dict)
    assert not CONTROL.search(done.output)


def test_text_of_the_corpus_is_shown_word_for_word_and_cannot_steer_the_terminal(copy):
    copy.put("target_data", copy.rows("target_data").with_columns(text=pl.lit(NASTY)))
    made, table = copy.record("selected_subset"), copy.record("target_data").table_ref()
    copy.change("selected_subset", lineage={**made.lineage, "table.target_data": f"{table.path}@v{table.version}"})
    picked = copy.rows("selected_subset").sort("rank")["id"][0]
    done = CliRunner().invoke(main, ["explain", str(copy.task), picked])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "see [/a] and [red]this[/]" in done.stdout
    assert not CONTROL.search(done.stdout)
    done = CliRunner().invoke(main, ["explain", str(copy.task), f"nowhere {NASTY}"])
    assert done.exit_code == 2
    assert not CONTROL.search(done.stderr)


def test_help_is_whole_and_names_the_verbs_in_the_order_of_use():
    done = CliRunner().invoke(main, ["--help"])
    listed = re.findall(r"^  (\w+)  +(\S.*)$", done.output.partition("Commands:")[2], re.MULTILINE)
    assert dict(listed) == COMMANDS
    assert [verb for verb, _ in listed] == list(COMMANDS)
    assert [verb for verb, _ in listed][:2] == ["demo", "init"]
    assert not [said for _, said in listed if said.endswith("...")]
    assert "Completion:" in done.output
    assert all(len(line) <= 80 for line in done.output.splitlines())


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_and_json(verb):
    command = main.get_command(click.Context(main), verb)
    assert command.get_short_help_str(100) == COMMANDS[verb]
    assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0
    assert command.help
    assert any("--json" in option.opts for option in command.params)
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert CliRunner().invoke(main, [verb, "--nonsense"]).exit_code == 2


def test_the_shell_completes_verbs_and_options():
    def completed(line):
        asked = {"_GETMORE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        command = [sys.executable, "-m", "getmore_assets.cli"]
        done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
        return [row.partition(",")[2] for row in done.stdout.split()]

    assert completed("getmore re") == ["reproduce", "repair"]
    assert set(completed("getmore check --")) == {"--junit", "--strict", "--quiet", "--verbose", "--json", "--help"}
