"""From files to rows of text: readers, cleaning, passages, identity, duplicates, leakage, the pool and the target.

Belongs here: everything up to the Delta tables of text. Does not: vectors, models, anything that needs torch.
"""
