"""The stages of the pipeline, without Dagster: one module per stage, their table, and materializing them.

Belongs here: inputs, settings, columns and checks of each stage; caching; plan and reproduction. Does not: Dagster
(`defs/`), programs that run in a process of their own (`workers/`), or what needs no task (`corpus/`, `transport/`,
`selection/`, `training/`, `reporting/`).
"""
