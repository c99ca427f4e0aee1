"""A task file drafted from a look at the user's files.

Belongs here: finding data under folders, guessing which is pool and which target, what the columns mean, and writing it
down with reasons. Does not: opening formats (`corpus/formats.py`), or running anything.
"""
