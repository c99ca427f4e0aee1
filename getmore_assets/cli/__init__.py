"""The command line: commands on a task file.

Belongs here: arguments, progress, output and exit codes, with one module per command. Does not: computing.
"""

import os
from importlib import import_module
from typing import Any

import click

#: The commands with their one-line help, in the order in which a user needs them.
COMMANDS = {
    "demo": "Run the pipeline on the documentation of your packages.",
    "init": "Draft a task file from your files.",
    "doctor": "Check whether this machine can run the pipeline.",
    "plan": "Show what a run would compute, and how long each stage took last.",
    "run": "Run the whole pipeline, from the sources to the scorecard.",
    "select": "Run the pipeline as far as the selected rows.",
    "compare": "Compare selectors on the scorecard.",
    "status": "List the results of a task, and what a run would compute.",
    "explain": "Show why a row was selected or not.",
    "export": "Write the selected rows, or the models trained on them, as files.",
    "check": "Run all checks on existing results (read-only).",
    "approve": "Approve the current selection for training.",
    "reproduce": "Repeat a selection from its recorded versions, and compare the two.",
    "repair": "Set aside damaged files of a lake, and recompute them.",
    "clean": "List unreferenced files of a lake, or delete them.",
    "schema": "Write the JSON schema of the task file, for editors.",
}
_MODULES = {"select": "run"}  # commands that share the module of another command

_COMPLETION = (
    'Completion: eval "$(_GETMORE_COMPLETE=bash_source getmore)" in ~/.bashrc; in ~/.zshrc the same with zsh_source; '
    "fish: _GETMORE_COMPLETE=fish_source getmore | source"
)


class _Group(click.Group):
    """Loads a command's module when the command is called, so that help is fast."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        self._given = list(arguments)
        return super().parse_args(context, arguments)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; on Ctrl-C, print what was interrupted and how to resume."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            from getmore_assets.cli.exits import INTERRUPTED, interrupted

            click.echo(f"\n{interrupted(self._given)}", err=True)
            context.exit(INTERRUPTED)

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{_MODULES.get(name, name)}"), name)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Group,
    epilog=_COMPLETION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="getmore-assets")
def main() -> None:
    """Choose the rows of a corpus to warm a model up on before fine-tuning it.

    Every command takes --json, which prints one JSON object as the last line of stdout; progress and errors go to
    stderr.

    Exit codes: 0 done; 1 a stage or a blocking check failed, `reproduce` got a different selection, or `doctor` found a
    problem; 2 the input or the command line was refused; 130 interrupted (Ctrl-C).
    """
    # Set before the first worker: a change of the environment costs a new interpreter of workers.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
