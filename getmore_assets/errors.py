"""The exceptions whose messages the user reads: for input that cannot be used, and for workers that ended.

Belongs here: the form of the messages, and removing secrets from them. Does not: what raises the exceptions.
"""

import re

#: The advice in a message about damage in the lake.
REPAIR = "Repair it with: getmore repair TASK.yaml"

_LOGIN = re.compile(r"(?<=://)[^\s'\"<>]*@")  # up to the last @, because a password may contain one
_SECRET = re.compile(r"(?i)([?&][\w-]*(?:password|passwd|pwd|token|secret|key|sig|signature)=)[^&\s'\"<>]+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}|(?i:(?<=\bBearer )\S+)")


class BadInput(ValueError):
    """Raised for input that cannot be used. Dagster stores and shows the message, so secrets in URLs are removed.

    Args:
        where: The file (and row), or the field of the task file.
        what: What is wrong with it.
        fix: What to do.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        self.where, self.what, self.fix = redacted(where), redacted(what), fix
        super().__init__(f"{self.where}: {self.what}. {fix}")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        """Let the exception pass from one process to another."""
        return type(self), (self.where, self.what, self.fix)


class WorkerFailedError(RuntimeError):
    """A worker ended without a result."""


class WorkerKilledError(WorkerFailedError):
    """A worker was ended from outside, by the system or its cluster: a retry may succeed."""


def redacted(text: str) -> str:
    """Return a text without logins (`user:password@`) and secret query parameters in URLs, and without hub tokens."""
    return _TOKEN.sub("...", _SECRET.sub(r"\1...", _LOGIN.sub("", text)))
