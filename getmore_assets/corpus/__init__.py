"""From files to rows with an identity: readers, cleaning, passages, duplicates, the pool and the target.

Belongs here: everything up to the Delta tables of text. Does not: vectors, models, anything that needs torch.
"""
