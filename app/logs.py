"""How a program writes its own lines: the workers, the commands and the edge alike."""

import sys

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback


def to_stderr() -> None:
    """Write on standard error; of an exception say where it was, and no value that it met there.

    Where ``rich`` is installed, what every variable held would be shown: addresses, secrets.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    ConsoleRenderer.get_active().exception_formatter = plain_traceback
