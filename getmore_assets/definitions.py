"""The pipeline as a Dagster project of its own. Stages run in one process: their heavy work is done by workers."""

import dagster as dg

from getmore_assets.defs.project import build_definitions

defs = build_definitions(executor=dg.in_process_executor)
