"""The command line: verbs on a task file.

Belongs here: arguments, progress, what is printed at the end, exit codes; one module a verb. Does not: work.
"""

from importlib import import_module
from typing import Any

import click

#: The verbs in the order in which a user meets them: one module each, loaded when it is called, and its first line.
VERBS = {
    "demo": "Run the pipeline on the documentation of your packages.",
    "init": "Draft a task file from a look at your files.",
    "doctor": "Check whether this machine can run the pipeline.",
    "plan": "Say what a run would compute, and how long that took last.",
    "run": "Run the whole pipeline, from the sources to the scorecard.",
    "select": "Run the pipeline as far as the selected rows.",
    "compare": "Compare selectors on the scorecard.",
    "status": "List what is in the lake of a task, and what a run would do.",
    "explain": "Say why a row was selected or not.",
    "export": "Write the selected rows, or the models trained on them, as files.",
    "check": "Run all checks on existing results (read-only).",
    "approve": "Approve the current selection for training.",
    "reproduce": "Repeat a selection from its pinned versions, and compare.",
    "repair": "Set aside damaged files of a lake, and recompute them.",
    "clean": "List what nothing in a lake refers to, or delete it.",
    "schema": "Write the JSON schema of the task file, for editors.",
}
_IN = {"select": "run"}  # verbs that have no module of their own name

_COMPLETION = (
    'Completion: eval "$(_GETMORE_COMPLETE=bash_source getmore)" in ~/.bashrc; in ~/.zshrc the same with zsh_source; '
    "fish: _GETMORE_COMPLETE=fish_source getmore | source"
)


class _Verbs(click.Group):
    """Loads a verb when it is called, so that help needs no library below."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        self._given = list(arguments)
        return super().parse_args(context, arguments)

    def invoke(self, context: click.Context) -> Any:
        """Run a verb; Ctrl-C says what was interrupted and how to go on."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            from getmore_assets.cli.exits import INTERRUPTED, interrupted

            click.echo(f"\n{interrupted(self._given)}", err=True)
            context.exit(INTERRUPTED)

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{_IN.get(name, name)}"), name)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs, epilog=_COMPLETION, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="getmore-assets")
def main() -> None:
    """Choose the rows of a corpus to warm a model up on before fine-tuning it.

    Every verb takes --json, which makes one JSON object the last line of stdout; progress and refusals go to stderr.

    Exit codes: 0 done; 1 a stage or a blocking check failed, another selection came out, or the doctor found
    something bad; 2 the input or the command line was refused; 130 it was interrupted (Ctrl-C).
    """
