"""What a task will take, said before it is run: `getmore plan`.

Belongs here: counting, samples and miniatures of a task, and the arithmetic from what was measured on them to the
whole. Does not: running or measuring anything (`defs/forecast.py`, `workers/measure.py`), or how it is shown.
"""
