"""People, how they are reached and what they own; a snapshot in memory for those who ask often."""

from app.directory.directory import Directory, DirectoryError, check_address
from app.directory.snapshot import Contact, Follower, Snapshot

__all__ = ["Contact", "Directory", "DirectoryError", "Follower", "Snapshot", "check_address"]
