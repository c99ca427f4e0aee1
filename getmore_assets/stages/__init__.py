"""The stages of the pipeline, without Dagster: one module per stage, the table of stages, and materializing them.

Belongs here: inputs, settings, columns and checks of each stage; caching; plan and reproduction. Does not: Dagster
(`defs/`), programs that run in their own process (`workers/`), or code that needs no task (`corpus/`, `transport/`,
`selection/`, `training/`, `reporting/`).
"""
