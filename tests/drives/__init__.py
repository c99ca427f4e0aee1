"""Drives: the real daemon, real kills, whole runs. They take minutes, so they are no tests: run them as modules."""
