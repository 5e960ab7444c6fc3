"""A PostgreSQL server of the tests' own."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

WAIT_S = 60


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the folder of the socket of a PostgreSQL server of the tests' own."""
    programs = _programs()
    # Not pytest's folder: it is root's alone, and a socket's path has at most 107 characters.
    with TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "nobody")
            as_user = ["runuser", "-u", "nobody", "--"]
        make = [str(programs / "initdb"), "-D", f"{name}/data", "-A", "trust", "-U", "tests"]
        subprocess.run(
            [*as_user, *make, "-E", "UTF8", "--no-sync"], check=True, capture_output=True, cwd=name
        )
        options = f"-k {name} -c listen_addresses= -c fsync=off"
        control = [*as_user, str(programs / "pg_ctl"), "-D", f"{name}/data", "-w"]
        start = [*control, "-t", str(WAIT_S), "-l", f"{name}/log", "-o", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=name)
        try:
            yield name
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=name)


def new_database(folder: str) -> str:
    """Return the URL of a new database of the server whose socket lies in ``folder``."""
    with psycopg.connect(f"host={folder} user=tests dbname=postgres", autocommit=True) as server:
        name = f"test_{secrets.token_hex(8)}"
        server.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://tests@/{name}?host={folder}"


def _programs() -> Path:
    """Return where the programs of the newest server are."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: each.parts[-3]
    )
    if not found:
        pytest.skip("no PostgreSQL server here: deploy/prerequisites databases")
    return found[-1].parent
