"""What a person looks at: figures, the scorecard's statistics, the report.

Belongs here: numbers to pictures and words. Does not: making the numbers.
"""
