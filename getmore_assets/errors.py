"""The one exception that is meant for the user's eyes.

Belongs here: how a refusal is worded. Does not: any check itself; each lives beside what it checks.
"""


class BadInput(ValueError):
    """Something the user gave cannot be used.

    Args:
        where: The file (and row), or the field of the task file.
        what: What is wrong there.
        fix: What to do about it.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}. {fix}")
        self.where, self.what, self.fix = where, what, fix
