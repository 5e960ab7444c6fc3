"""What is said of the files of one log that cannot be read, each once."""

from pathlib import Path

import structlog

from edge.siblings import Sibling

PATIENCE_S = 60.0  # so long an unreadable rotated file holds up the newer ones

log = structlog.get_logger()


class Complaints:
    """What was said of the log at ``path`` since a file of it was opened last.

    given_up: inodes of the rotated files whose lines will never be read.
    """

    def __init__(self, path: Path) -> None:
        self.given_up = set[int]()
        self._path = path
        self._unreadable: object = None
        self._since_s: float | None = None  # all of them have to be readable by then

    def unreadable(self, error: OSError) -> None:
        """Say that a file cannot be read now; once for each reason."""
        reason = str(error.strerror)
        named = {"file": Path(error.filename).name} if error.filename else {}
        if named.get("file") == self._path.name:
            named = {}
        if (reason, named) != self._unreadable:
            self._unreadable = (reason, named)
            log.error("log_unreadable", log=self._path.name, reason=reason, **named)

    def skipped(self, sibling: Sibling, reason: str) -> None:
        """Say that lines of ``sibling`` will never be read."""
        if sibling.inode not in self.given_up:
            self.given_up.add(sibling.inode)
            log.error("log_skipped", log=self._path.name, file=sibling.path.name, reason=reason)

    def too_long(self, now_s: float) -> bool:
        """Return whether a rotated file, unreadable at ``now_s``, holds the newer ones up too long.

        One minute is for all of them: the log itself waits meanwhile.
        """
        self._since_s = now_s if self._since_s is None else self._since_s
        return now_s - self._since_s >= PATIENCE_S

    def keep(self, rotated: list[Sibling]) -> None:
        """Forget files that are not there any more: an inode number is used again."""
        self.given_up &= {sibling.inode for sibling in rotated}

    def opened(self) -> None:
        """Forget what was said: a file could be opened."""
        self._since_s = None
        self._unreadable = None
