"""The pipeline as a Dagster project of its own: every stage in this process, as what is heavy runs in workers."""

import dagster as dg

from getmore_assets.defs.project import build_definitions

defs = build_definitions(executor=dg.in_process_executor)
