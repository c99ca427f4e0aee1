"""Where stations run.

Belongs here: fields, their defaults and their limits. None of them decides what a station makes. Does not: starting
anything (`launch.py`).
"""

from pydantic import Field

from getmore_assets.config.sources import Section


class Processes(Section):
    """How many processes of this machine do a station's work together."""

    processes: int = Field(
        1, ge=1, description="under torchrun, one a GPU where there are GPUs; batches are shared out"
    )


class Launch(Section):
    """Where each station runs."""

    train: Processes = Processes()
