"""The command line: verbs on a task file.

Belongs here: arguments, progress, what is printed at the end, exit codes; one module a verb. Does not: work.
"""

import click

from getmore_assets.cli.approve import approve
from getmore_assets.cli.check import check
from getmore_assets.cli.compare import compare
from getmore_assets.cli.doctor import doctor
from getmore_assets.cli.explain import explain
from getmore_assets.cli.export import export
from getmore_assets.cli.init import init
from getmore_assets.cli.plan import plan
from getmore_assets.cli.repair import repair
from getmore_assets.cli.reproduce import reproduce
from getmore_assets.cli.run import run, select

_COMPLETION = (
    'Completion: eval "$(_GETMORE_COMPLETE=bash_source getmore)" in ~/.bashrc; in ~/.zshrc the same with zsh_source; '
    "fish: _GETMORE_COMPLETE=fish_source getmore | source"
)


class _InOrder(click.Group):
    """Lists the verbs in the order in which one comes to them."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder, epilog=_COMPLETION, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="getmore-assets")
def main() -> None:
    """Choose the rows of a corpus to warm a model up on before fine-tuning it.

    Every verb takes --json, which makes one JSON object the last line of stdout; progress and refusals go to stderr.

    Exit codes: 0 done; 1 a station or a blocking check failed, another selection came out, or the doctor found
    something bad; 2 the input or the command line was refused.
    """


for verb in (init, doctor, repair, plan, run, select, compare, explain, export, check, approve, reproduce):
    main.add_command(verb)
