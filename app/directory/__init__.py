"""People, how they are reached and what they own; a snapshot in memory for those who ask often."""

from app.directory.directory import Directory, Suppression
from app.directory.entries import Contact, Device, DirectoryError, Entry, Group, Person, Silence
from app.directory.follower import Follower
from app.directory.snapshot import Snapshot

__all__ = [
    "Contact",
    "Device",
    "Directory",
    "DirectoryError",
    "Entry",
    "Follower",
    "Group",
    "Person",
    "Silence",
    "Snapshot",
    "Suppression",
]
