"""Dagster's definitions: assets, checks, jobs, sensors and the resource, built from the table of stages.

Belongs here: definitions that call the library, and a record's metadata. Does not: computing (`stages/`).
`from __future__ import annotations` must not be used in this package: Dagster reads the annotations.
"""
