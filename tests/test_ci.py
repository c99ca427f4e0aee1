"""The workflow that users copy: it can be read, its actions are pinned, and its commands exist with those options."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from getmore_assets.cli import main

WORKFLOW = Path(__file__).parents[1] / "deploy" / "ci" / "getmore.yml"


@pytest.fixture
def steps():
    (job,) = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"].values()
    return job["steps"]


def test_every_action_is_pinned_to_a_major_version(steps):
    used = [step["uses"] for step in steps if "uses" in step]
    assert {name.partition("@")[0] for name in used} == {
        f"actions/{name}" for name in ("checkout", "setup-python", "cache", "upload-artifact")
    }
    assert all(re.fullmatch(r"[\w/-]+@v\d+", name) for name in used)


def test_every_getmore_command_exists_with_those_options(steps):
    lines = [shlex.split(line) for step in steps for line in step.get("run", "").splitlines()]
    commands = [words[1:] for words in lines if words and words[0] == "getmore"]
    assert [words[0] for words in commands] == ["select", "check"]
    suggested = re.findall(r"`getmore (\w+) |add (--\w+) to", WORKFLOW.read_text("utf-8"))
    assert suggested == [("run", ""), ("", "--strict")]
    commands += [["run", "$TASK"], [*commands[1], "--strict"]]
    for name, *arguments in commands:
        verb = main.get_command(click.Context(main), name)
        assert verb is not None
        verb.make_context(name, arguments)  # parses, and does not run


def test_the_report_that_is_kept_is_the_one_that_is_written(steps):
    by_name = {step["name"]: step for step in steps if "name" in step}
    assert f"--junit {by_name['Keep the results of the checks']['with']['path']}" in by_name["Check"]["run"]
    assert "constraints.txt" in by_name["Install"]["run"]
