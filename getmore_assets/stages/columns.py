"""Columns that the tables of several stages have.

Belongs here: types and meanings. Does not: columns of one stage alone, which stand in its module, or making a table.
"""

import polars as pl

ID = (pl.String, "hash of the text: the row's content id, 32 hex digits")
TARGET = (pl.String, "the target, which is the task's name and the partition")
TEXT = (pl.String, "the text, in NFC, without control characters")
DOMAIN = (pl.String, "the domain that the source names, or the file's name")
SOURCE = (pl.String, "the source that the row names, or the file's name")
WORDS = (pl.Int32, "words and punctuation marks, which budgets count in")
ORIGIN = (pl.String, "where the row was read: file:row, and #n for the n-th passage of a row")
