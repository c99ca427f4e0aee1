"""Drives: scripts that test with a live daemon, killed processes and whole runs. They take minutes, and are modules."""
