"""The pages say what is so: their commands run, their code works, their fields, links and names exist.

A block marked `sh` is run, as is one of the README without a mark; `console` and `text` are for what cannot be run here
(an installation, a cluster) and for what is printed.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError

from docs import generate
from getmore_assets.cli import main
from getmore_assets.config import Task
from getmore_assets.task_parsing import load_task
from tests.conftest import write_task
from tests.defs.damage import Copy

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "getmore_assets"
DOCS = ROOT / "docs"
README, EXTENDING = ROOT / "README.md", DOCS / "extending.md"
PAGES = [README, ROOT / "ARCHITECTURE.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"sh", "console", "text", "yaml", "python", "diff", "json", "bibtex"}
IN_A_SHELL = {"python", "du", "tar", "mv", "ln"}  # what pages use beside getmore, make and pip
SPAN = re.compile(r"`([^`\n]+)`")


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of a page in some languages."""
    return [text for language, text in BLOCK.findall(page.read_text("utf-8")) if language in languages]


def spans(page: Path) -> list[str]:
    """What stands between backticks within the lines of a page."""
    return SPAN.findall(BLOCK.sub("", page.read_text("utf-8")))


def commands(page: Path) -> list[list[str]]:
    """The commands of a page in their order, each once."""
    found = {}
    for block in blocks(page, "sh", *([""] if page == README else [])):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                found[shlex.join(words)] = words
    return list(found.values())


@pytest.fixture
def here(ran, tmp_path, monkeypatch):
    """A folder as each page assumes it, as the working directory, in an environment without servers.

    It holds files in `my-data`, a task, and the lake of the task, in which it has run.
    """
    copy = Copy(ran, tmp_path)
    write_task(tmp_path / "task.yaml", {**copy.fields, "lake": "lake"})
    shutil.copytree(Path(ran.fields["candidates"][0]["path"]).parent, tmp_path / "my-data")
    (tmp_path / "id").write_text(copy.rows("selected_subset")["id"][0])
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run_in_their_order(page, here):
    for program, *arguments in commands(page):
        print(page.name, program, *arguments)  # pytest shows it where the command fails
        if program == "getmore":
            run_getmore(arguments, here)
        elif program == "make":
            subprocess.run(["make", "--dry-run", "--directory", str(ROOT), *arguments], check=True, capture_output=True)
        elif program == "pip":
            check_pip(arguments)
        else:
            run_in_a_shell(page, shlex.join([program, *arguments]))


def run_in_a_shell(page: Path, line: str) -> None:
    assert line.split(maxsplit=1)[0] in IN_A_SHELL, (
        f"{page.name} has `{line}`: mark the block `console`, or add what runs it here"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def run_getmore(arguments: list[str], here: Path) -> None:
    """Run a command on the lake; one with changed fields, which would train, is read and its fields looked at."""
    verb, *rest = [(here / "id").read_text() if word == "ID" else word for word in arguments]
    if verb == "init" and "--to" not in rest:  # the task that has run stays
        rest += ["--to", "drafted.yaml"]
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    context = command.make_context(verb, list(rest))
    if context.params.get("overrides"):
        load_task("task.yaml", context.params["overrides"])
        return
    done = CliRunner().invoke(main, [verb, *rest])
    assert done.exit_code in ((0, 1) if "--strict" in rest else (0,)), (done.output, done.exception)


def check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert arguments[0] == "install"
    for asked in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        assert set(asked.split(",")) <= set(extras)
    assert (ROOT / arguments[arguments.index("-c") + 1]).is_file()


def test_the_code_of_the_page_on_extending_works(here, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for number, change in enumerate(blocks(EXTENDING, "diff")):
        (tmp_path / f"{number}.diff").write_text(change)
        apply = ["git", "apply", f"{number}.diff"]
        done = subprocess.run(apply, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"change {number} of the page does not fit the code: {done.stderr}"
    tried = []
    for code in blocks(EXTENDING, "python"):
        new = re.match(rf"# ({PACKAGE.name}/\S+\.py)\n", code)
        if new:
            (tmp_path / new[1]).write_text(code.removeprefix(new[0]))
        else:
            tried.append(code)
    assert len(tried) == 3
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "\n".join(tried)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [README, DOCS / "dagster-project.md"], ids=lambda page: page.name)
def test_the_code_for_dagster_projects_works(page, here):
    (here / "tasks").mkdir()
    (code,) = blocks(page, "python")
    command = [
        sys.executable,
        "-c",
        # Dagster refuses a module with two.
        f"{code}\nassert defs.resolve_job_def('warm_run')\n"
        "assert [name for name, one in list(vars().items()) if isinstance(one, dg.Definitions)] == ['defs']",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", generate.PAGES)
def test_pages_that_are_read_off_the_code_are_of_today(name):
    written = generate.PAGES[name]().rstrip("\n") + "\n"
    assert (DOCS / name).read_text("utf-8") == written, "run: python -m docs.generate"


def test_the_code_of_the_page_on_python_works(here):
    code = "\n".join(blocks(DOCS / "python.md", "python"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("python: 50 of ")
    assert done.stdout.splitlines()[-1] == "selected"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_known_language(page):
    used = {language for language, _ in BLOCK.findall(page.read_text("utf-8"))}
    assert used <= LANGUAGES | ({""} if page.parent == ROOT else set())


@pytest.mark.parametrize("page", [page for page in PAGES if page != EXTENDING], ids=lambda page: page.name)
def test_fields_of_task_files_exist(page):
    fragments = [yaml.safe_load(text) for text in blocks(page, "yaml")]
    fragments += [found for span in spans(page) if re.match(r"\w+: \S", span) and (found := as_yaml(span))]
    for fragment in fragments:
        for field in Task.model_fields.keys() & fragment.keys():
            value = fragment[field]
            if field == "target" and isinstance(value, dict):
                value = {"train": "t.jsonl", **value}
            assert wrong(field, value) == [], fragment


def wrong(field: str, value: object) -> list[str]:
    """What is wrong with the value of a field, but for what its neighbours in a whole task file would put right."""
    try:
        TypeAdapter(Task.model_fields[field].rebuild_annotation()).validate_python(value)
    except ValidationError as error:
        return [one["msg"] for one in error.errors() if one["type"] != "value_error"]
    return []


def as_yaml(span: str) -> dict | None:
    try:
        found = yaml.safe_load(span)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) and "..." not in span else None


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "deploy" / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text("utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        to = (page.parent / name).resolve() if name else page
        assert to.exists(), link
        assert to.is_relative_to(ROOT), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", to.read_text("utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_commands_that_are_named_exist(page):
    for span in spans(page):
        if re.fullmatch(r"[\w./-]+\.(py|md|sh)", span) and not span.startswith("."):
            inside = any((base / span).is_file() for base in (ROOT, PACKAGE, page.parent))
            assert inside or len(list(PACKAGE.rglob(span))) == 1, span
        if span.startswith("getmore "):
            words = span.split()
            verb = main.get_command(click.Context(main), words[1])
            assert verb is not None, span
            options = {name for option in verb.params for name in option.opts} | {"--help"}
            assert {word for word in words if word.startswith("--")} <= options, span


def test_every_page_is_found_from_the_readme():
    said = README.read_text("utf-8")
    assert [page.name for page in PAGES if page.parent == DOCS and f"(docs/{page.name})" not in said] == []


def test_every_page_is_in_the_navigation_of_the_site():
    def pages_of(entry):
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [page for part in parts for page in pages_of(part)]

    listed = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    hooks = ast.parse((DOCS / "site.py").read_text("utf-8")).body
    assigned = {ast.unparse(node.targets[0]): node.value for node in hooks if isinstance(node, ast.Assign)}
    elsewhere = ast.literal_eval(assigned["ELSEWHERE"])
    assert sorted(listed) == sorted([*elsewhere, *(page.name for page in DOCS.glob("*.md"))])
    assert all((ROOT / path).is_file() for path in elsewhere.values())
