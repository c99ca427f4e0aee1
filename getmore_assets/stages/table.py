"""The table of the pipeline's stages and checks.

Belongs here: collecting the entries, with the checks that every table and every model has. Does not: an entry, which
is in its stage's module.
"""

from dataclasses import replace
from importlib import import_module

from getmore_assets.records import STAGE_NAMES
from getmore_assets.stages.checks import Check
from getmore_assets.stages.shared_checks import has_its_columns, weights_are_finite
from getmore_assets.stages.stage import Stage


def _entry(name: str) -> Stage:
    stage: Stage = import_module(f"getmore_assets.stages.{name}").STAGE
    general = has_its_columns(name, stage.columns) if stage.columns else weights_are_finite(name)
    return replace(stage, checks=tuple(replace(check, stage=name) for check in (*stage.checks, general)))


#: Every stage by name, in the order of the pipeline.
STAGES = {name: _entry(name) for name in STAGE_NAMES}
#: Every check of one target, in the same order.
CHECKS: list[Check] = [check for stage in STAGES.values() for check in stage.checks]
