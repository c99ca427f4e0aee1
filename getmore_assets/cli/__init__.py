"""The command line: verbs on a task file.

Belongs here: arguments, progress, what is printed at the end, exit codes; one module a verb. Does not: work.
"""

import click

from getmore_assets.cli.approve import approve
from getmore_assets.cli.check import check
from getmore_assets.cli.explain import explain
from getmore_assets.cli.export import export
from getmore_assets.cli.reproduce import reproduce
from getmore_assets.cli.run import run, select


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="getmore-assets")
def main() -> None:
    """Choose the rows of a corpus to warm a model up on before fine-tuning it.

    Exit codes: 0 done; 1 a station or a blocking check failed; 2 the input or the command line was refused.
    """


for verb in (run, select, explain, export, check, approve, reproduce):
    main.add_command(verb)
