"""What changes from one selection to the next.

Belongs here: how far a target has drifted, how far a selection has, what a sensor has seen of the sources, who approved
a selection. Does not: solving (`transport/`), selecting (`selection/`).
"""
