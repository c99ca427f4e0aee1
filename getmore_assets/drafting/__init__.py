"""Drafting a task file from the user's files (`getmore init`).

Belongs here: finding data in folders, inferring pool, target and the roles of columns, and writing these down with
reasons. Does not: reading formats (`corpus/formats.py`), or running anything.
"""
