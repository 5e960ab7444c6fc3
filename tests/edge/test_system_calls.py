"""The spool under SIGKILL at the system calls by which it writes, by strace.

CHANGEOVER_KILLS: at how many of them; all are a few thousand, a second and a half each.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.edge.test_crash import decided, facts, live

WRITES = "pwrite64,fdatasync,fsync,ftruncate,unlink,fcntl"  # as SQLite writes; the box uses write
LIVE = (
    "import pathlib, sys; from tests.edge.test_crash import live; live(pathlib.Path(sys.argv[1]))"
)
KILLS = int(os.environ.get("CHANGEOVER_KILLS", "20"))


def traced(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Live in ``folder``; return with what that ended, and the names of its calls."""
    log = folder.with_suffix(".strace")
    argv = ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={WRITES}")
    done = subprocess.run((*argv, *options, sys.executable, "-c", LIVE, folder), check=False)
    return done.returncode, [
        line.split()[1].partition("(")[0] for line in log.read_text().splitlines()
    ]


def test_killed_at_a_system_call_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    straight.mkdir()
    ended, names = traced(straight)
    assert ended == 0
    calls = [(name, names[:place].count(name) + 1) for place, name in enumerate(names)]
    fatal = random.sample(calls, min(KILLS, len(calls)))
    for name, ordinal in fatal:
        folder = tmp_path / f"{name}-{ordinal}"
        folder.mkdir()
        ended, _ = traced(folder, "-e", f"inject={name}:signal=KILL:when={ordinal}")
        live(folder)

        assert ended == -signal.SIGKILL, folder.name
        assert facts(folder) == facts(straight), folder.name
        assert decided(folder) == decided(straight), folder.name
    print(f"{len(fatal)} kills, each at another of {len(calls)} system calls: {Counter(names)}")
