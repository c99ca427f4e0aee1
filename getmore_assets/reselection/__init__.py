"""Selecting again: drift, sensor cursors, and approvals.

Belongs here: measuring the drift of targets and selections, what sensors remember of sources, approving a selection.
Does not: solving (`transport/`), selecting (`selection/`).
"""
