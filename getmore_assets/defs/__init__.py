"""All that Dagster sees: assets and checks made from the table of stages, jobs, sensors and the resource.

Belongs here: definitions as thin shells, and what Dagster shows of a record. Does not: work (`stages/`).
`from __future__ import annotations` must not be used in this package: Dagster reads the annotations.
"""
