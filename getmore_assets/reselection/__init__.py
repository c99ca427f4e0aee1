"""Selecting again: drift, sensor cursors, and approvals.

Belongs here: measuring the drift of targets and selections, the memory of sensors, approving a selection. Does not:
solving (`transport/`), selecting (`selection/`).
"""
