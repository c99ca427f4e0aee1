"""Drives: the real daemon, real kills, whole runs. They take minutes, so they are no tests: `python -m tests.drives.<name>`."""
