"""``activeNotifications.log``: what was active on the device, for people to read.

A line is remembered in the spool until it stands in the log: none is lost, and after a crash none
stands there twice.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from edge.handover import Recent
from edge.job import Job, Text
from edge.parse import ACTIVE_LOG
from schemas.decision import Decision, Kind

LOOKED_AT = 65_536  # bytes at the end of the log, for a line that a crash left unremembered

log = structlog.get_logger()


class Unlogged(Protocol):
    """What remembers lines: ``edge.ledger.Ledger``."""

    @property
    def unlogged(self) -> Iterable[str]:
        """Return the lines that the log may lack."""

    @property
    def lost(self) -> int:
        """Return how many lines it will never have: there were too many to remember."""

    def logged(self) -> None:
        """Take note that the log has them all."""


class ActiveLog:
    """The log in one folder."""

    def __init__(self, folder: Path) -> None:
        """Append to the log in ``folder``."""
        self._path = folder / ACTIVE_LOG
        self._complaint = ""

    def write(self, remembered: Unlogged) -> None:
        """Append what ``remembered`` has; what cannot be written stays there."""
        lines = tuple(remembered.unlogged)
        if not lines:
            return
        try:
            self._append(lines)
        except OSError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("log_unwritable", log=ACTIVE_LOG, reason=str(error))  # noqa: TRY400 - its sentence says it all
            return
        self._complaint = ""
        if remembered.lost:
            log.error("log_lines_lost", log=ACTIVE_LOG, lost=remembered.lost)
        remembered.logged()

    def _append(self, lines: tuple[str, ...]) -> None:
        with self._path.open("ab+") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOOKED_AT))
            end = file.read()
            there = set(end.decode(errors="replace").splitlines())
            missing = "".join(f"{line}\n" for line in lines if line not in there)
            begin = "" if end.endswith(b"\n") or not end else "\n"  # somebody's unfinished line
            file.write((begin + missing).encode())
            file.flush()
            os.fsync(file.fileno())


def texted(job: Job, text: Text, at: datetime) -> str:
    """Return the line that tells what became of ``text``."""
    return _line(job.decision, at, "sim", str(text.outcome), to=masked(text.number))


def taken(decision: Decision, at: datetime | None) -> str:
    """Return the line that tells that the servers have ``decision``."""
    return _line(decision, at or decision.at, "servers", "taken")


def acknowledged(claim: Recent, at: datetime) -> str:
    """Return the line that tells that people know of ``claim``."""
    fields = f"id={claim.id} rule={claim.rule} state=firing"
    return f"{_time(at)} {fields} channel=sim outcome=acknowledged"


def masked(number: str) -> str:
    """Return ``number`` so that its owner knows it, and nobody else."""
    return f"{number[:4]}...{number[-3:]}"


def _line(decision: Decision, at: datetime, channel: str, outcome: str, **more: str) -> str:
    state = "resolved" if decision.kind is Kind.RESOLVED else "firing"
    fields = {"id": decision.id, "rule": decision.rule, "state": state, "channel": channel}
    pairs = fields | {"outcome": outcome} | more
    return " ".join([_time(at), *(f"{key}={value}" for key, value in pairs.items())])


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
