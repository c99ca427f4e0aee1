"""All that Dagster sees: one file a station, in the order of the line, then sensors, jobs, resources.

Belongs here: assets as thin shells, their metadata, their checks. Does not: work. `from __future__ import annotations`
must not be used in this package: Dagster reads the annotations.
"""
