"""`getmore init`: draft a task file from the user's files.

Belongs here: options, output, and refusing to overwrite. Does not: reading, guessing, or writing YAML (`drafting/`).
"""

import json
import re
import shlex
import sys
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from getmore_assets.cli.execution import json_option
from getmore_assets.cli.exits import refusals
from getmore_assets.cli.terminal import ERR, OUT, cell, print_table
from getmore_assets.drafting.draft import Draft
from getmore_assets.drafting.likelihood import Ranked, size_text
from getmore_assets.errors import BadInput

_FOLDED_FROM = 4  # at least this many sources with equal guesses share a row of the table
_CANDIDATE = re.compile(r"candidates\.\d+")

#: A field, its value, and why.
_Row = tuple[str, Any, str]


@click.command()
@click.argument("given", nargs=-1, required=True, metavar="FOLDER_OR_FILES...")
@click.option("--target", metavar="FILE", help="The target's training examples; default: guessed by name, then size.")
@click.option(
    "--to", default="task.yaml", show_default=True, type=click.Path(dir_okay=False), help="The task file to write."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
def init(given: tuple[str, ...], target: str | None, to: str, force: bool, as_json: bool) -> None:
    """Draft a task file from your files.

    Finds the tables under FOLDER_OR_FILES (JSONL, CSV, TSV, Parquet, text, Delta, saved data sets), and guesses the
    target's splits, the candidate pool, and the columns with texts, labels, domains and sources. The file is written
    only if a run would accept it; a refused guess is replaced by the next. If two guesses are equally likely, the
    command asks, or prints the alternative. The file has a reason beside each value, and all other settings, commented
    out, with their defaults.
    """
    from getmore_assets.drafting.proposal import propose, relative_to
    from getmore_assets.drafting.writing import write
    from getmore_assets.records import write_atomically

    with refusals(as_json):
        if Path(to).exists() and not force:
            raise BadInput(to, "already exists", "Name another file with --to, or overwrite it with --force")
        asks = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
        draft = propose(list(given), target, _choose if asks else None)
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(to), write(relative_to(draft, Path(to).parent), list(given), to))
    command = f"getmore run {shlex.quote(to)}"
    _print(draft, to, command, to_stderr=as_json)
    if as_json:
        choices = [asdict(choice) for choice in draft.choices]
        printed = {"task": draft.fields["name"], "file": to, "choices": choices, "left_out": draft.left}
        click.echo(json.dumps({**printed, "next": command}))


def _choose(assignments: list[Ranked]) -> Ranked:
    """Ask the user to choose between several targets."""
    OUT.print("Which file holds examples of the target? Rows are selected from the other files.")
    for number, ranked in enumerate(assignments, 1):
        about = f"{size_text(ranked.size)}; {ranked.assignment.why}"
        OUT.print(cell(f"  {number}  {ranked.target} ({about})"), soft_wrap=True)
    number = click.prompt("Number", type=click.IntRange(1, len(assignments)), default=1)
    return assignments[number - 1]


def _print(draft: Draft, to: str, command: str, to_stderr: bool) -> None:
    out = ERR if to_stderr else OUT
    choices = [(c.field, "" if c.value is None else c.value, c.summary()) for c in draft.choices]
    title = f"guessed for {draft.fields['name']}; change what is wrong in {to}"
    print_table(out, ("field", "value", "why, and alternatives"), _folded(choices), title)
    for name, why in draft.left.items():
        out.print(cell(f"not used: {name}: {why}"), soft_wrap=True)
    out.print(cell(f"written: {to}. Look it over, then: {command}"), soft_wrap=True)


def _folded(rows: list[_Row]) -> list[_Row]:
    """Return the rows of the table, in which consecutive sources with equal guesses share a row."""
    folded: list[_Row] = []
    for _, equal in groupby(_by_source(rows), key=_guesses):
        sources = list(equal)
        if len(sources) < _FOLDED_FROM:
            folded += [row for source in sources for row in source]
            continue
        second, last = sources[1][0], sources[-1][0]
        numbers = f"{_source_of(second)} to {_source_of(last)}"
        folded += [*sources[0], (numbers, f"{second[1]}, …", f"{len(sources) - 1} sources, guessed alike")]
    return folded


def _by_source(rows: list[_Row]) -> list[list[_Row]]:
    """Group the rows of each source of the pool; every other row is a group of its own."""
    return [list(group) for _, group in groupby(rows, key=_source_of)]


def _source_of(row: _Row) -> str:
    source = _CANDIDATE.match(row[0])
    return source[0] if source else row[0]


def _guesses(rows: list[_Row]) -> list[tuple[str, Any]]:
    """Return the guesses for a source, without its path."""
    if not _CANDIDATE.match(rows[0][0]):
        return [(field, value) for field, value, _ in rows]
    return [
        (field.partition(".")[2].partition(".")[2], value) for field, value, _ in rows if not field.endswith(".path")
    ]
