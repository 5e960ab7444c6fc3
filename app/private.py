"""Folders and files that name people: for their owner alone, whatever the umask is."""

from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make ``folder`` for its owner alone; one that is there stays as it is."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty ``file`` for its owner alone, and its folder; one that is there stays."""
    make_folder(file.parent)
    if not file.exists():
        file.touch(mode=0o600)
