"""The scorecard's statistics, verdict, figures, tables and report.

Belongs here: turning results into statistics, pictures and sentences. Does not: computing results (`stages/`).
"""
