"""`getmore init`: draft a task file from the user's files.

Belongs here: output, and refusing to overwrite. Does not: reading, guessing, or the text of the file (`drafting/`).
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
from getmore_assets.drafting.weighing import Way, said_size
from getmore_assets.errors import BadInput

_MANY = 4  # sources
_CANDIDATE = re.compile(r"candidates\.\d+")

#: A field, its value, and why.
_Row = tuple[str, Any, str]


@click.command()
@click.argument("given", nargs=-1, required=True, metavar="FOLDER_OR_FILES...")
@click.option("--target", metavar="FILE", help="The target's training examples; without it told by name, else by size.")
@click.option(
    "--to", default="task.yaml", show_default=True, type=click.Path(dir_okay=False), help="The task file to write."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
def init(given: tuple[str, ...], target: str | None, to: str, force: bool, as_json: bool) -> None:
    """Draft a task file from a look at your files.

    Finds the tables under FOLDER_OR_FILES (JSONL, CSV, TSV, Parquet, text, Delta, saved data sets), tells the target
    and its splits from the candidate pool, and guesses which columns hold texts, labels, domains and sources. The task
    is written only if a run would accept it; a refused guess is tried another way. Where two ways are equally likely,
    it asks, or names the choice. The file says why beside each value, and has every other setting at its default,
    commented out.
    """
    from getmore_assets.drafting.proposal import propose, relative_to
    from getmore_assets.drafting.writing import write
    from getmore_assets.records import write_atomically

    with refusals(as_json):
        if Path(to).exists() and not force:
            raise BadInput(to, "is there already", "Name another with --to, or write over it with --force")
        asks = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
        made = propose(list(given), target, _choose if asks else None)
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(to), write(relative_to(made, Path(to).parent), list(given), to))
    following = f"getmore run {shlex.quote(to)}"
    _print(made, to, following, to_stderr=as_json)
    if as_json:
        choices = [asdict(choice) for choice in made.choices]
        printed = {"task": made.fields["name"], "file": to, "choices": choices, "left_out": made.left}
        click.echo(json.dumps({**printed, "next": following}))


def _choose(ways: list[Way]) -> Way:
    """Ask the user to choose between several targets."""
    OUT.print("Which file holds the examples of what you want (the target)? The others are what is selected from.")
    for number, way in enumerate(ways, 1):
        OUT.print(cell(f"  {number}  {way.target} ({said_size(way.size)}; {way.sides.why})"), soft_wrap=True)
    number = click.prompt("Number", type=click.IntRange(1, len(ways)), default=1)
    return ways[number - 1]


def _print(made: Draft, to: str, following: str, to_stderr: bool) -> None:
    out = ERR if to_stderr else OUT
    rows = _folded([(one.field, "" if one.value is None else one.value, one.said()) for one in made.choices])
    print_table(
        out,
        ("field", "value", "why, and alternatives"),
        rows,
        f"guessed for {made.fields['name']}; change what is wrong in {to}",
    )
    for name, why in made.left.items():
        out.print(cell(f"not used: {name}: {why}"), soft_wrap=True)
    out.print(cell(f"written: {to}. Look it over, then: {following}"), soft_wrap=True)


def _folded(rows: list[_Row]) -> list[_Row]:
    """The rows of the table; consecutive sources with equal guesses share a row."""
    shown: list[_Row] = []
    for _, some in groupby(_by_source(rows), key=_guesses):
        alike = list(some)
        if len(alike) < _MANY:
            shown += [row for one in alike for row in one]
            continue
        second, last = alike[1][0], alike[-1][0]
        numbers = f"{_source_of(second)} to {_source_of(last)}"
        shown += [*alike[0], (numbers, f"{second[1]}, …", f"{len(alike) - 1} sources, guessed alike")]
    return shown


def _by_source(rows: list[_Row]) -> list[list[_Row]]:
    """Group the rows of each source of the pool; every other row is a group of its own."""
    return [list(some) for _, some in groupby(rows, key=_source_of)]


def _source_of(row: _Row) -> str:
    found = _CANDIDATE.match(row[0])
    return found[0] if found else row[0]


def _guesses(rows: list[_Row]) -> list[tuple[str, Any]]:
    """The guesses for a source, without its path."""
    if not _CANDIDATE.match(rows[0][0]):
        return [(field, value) for field, value, _ in rows]
    return [
        (field.partition(".")[2].partition(".")[2], value) for field, value, _ in rows if not field.endswith(".path")
    ]
