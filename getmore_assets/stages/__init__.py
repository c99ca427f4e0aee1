"""The stages of the pipeline as data and work, without Dagster: the table, one module a stage, and how each is made.

Belongs here: what a stage reads, depends on, makes and is checked for; reuse; the plan and the reproduction that
follow from it. Does not: Dagster (`defs/`), programs that run in a process of their own (`workers/`), or what needs no
task (`corpus/`, `transport/`, `selection/`, `training/`, `reporting/`).
"""
