"""The one exception that is meant for the user's eyes.

Belongs here: how a refusal is worded, and what no message may hold. Does not: any check itself; each lives beside what
it checks.
"""

import re

#: What a refusal says where something in the lake is damaged.
REPAIR = "Heal it with: getmore repair TASK.yaml"

_LOGIN = re.compile(r"(?<=://)[^\s'\"<>]*@")  # up to the last @, as a password may hold one
_SECRET = re.compile(r"(?i)([?&][\w-]*(?:password|passwd|pwd|token|secret|key|sig|signature)=)[^&\s'\"<>]+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}|(?i:(?<=\bBearer )\S+)")


class BadInput(ValueError):
    """Something the user gave cannot be used. Refusals are kept by Dagster and shown: no secret of a URL stands in one.

    Args:
        where: The file (and row), or the field of the task file.
        what: What is wrong there.
        fix: What to do about it.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        self.where, self.what, self.fix = redacted(where), redacted(what), fix
        super().__init__(f"{self.where}: {self.what}. {fix}")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        """So that it comes back whole from another process."""
        return type(self), (self.where, self.what, self.fix)


def redacted(text: str) -> str:
    """Text without the logins in its URLs (`user:password@`), what their queries keep secret, and tokens of the hub."""
    return _TOKEN.sub("...", _SECRET.sub(r"\1...", _LOGIN.sub("", text)))
