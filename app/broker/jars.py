"""The broker's jars: named by ``pom.xml``, fetched by Maven once, kept in an ignored folder."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.broker.errors import FetchError, MissingProgramError

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17  # Kafka 4.0 upgrade notes: brokers need Java 17
FETCH_TIMEOUT_S = 900
INSTALL = "sudo apt-get install openjdk-17-jre-headless maven"


def folder() -> Path:
    """Return where the jars of this ``pom.xml`` lie: CHANGEOVER_JARS, else a cache.

    The cache is ``.cache`` in a checkout, and ``~/.cache/changeover`` elsewhere.
    """
    if named := os.environ.get("CHANGEOVER_JARS"):
        return Path(named)
    root = POM.parents[2]
    cache = root if (root / "pyproject.toml").exists() else Path.home()
    version = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return cache / ".cache" / "changeover" / f"kafka-{version}"


def fetched(say: Callable[[str], None]) -> Path:
    """Return the folder of the jars, fetching them if it is not there.

    Two may fetch at once: each into a folder of its own, and the first to finish is kept.

    Raises:
        MissingProgramError: Maven is not installed.
        FetchError: Maven failed; the sentence holds its last lines.
    """
    jars = folder().absolute()
    if _whole(jars):
        return jars
    if shutil.which("mvn") is None:
        raise MissingProgramError(f"Maven is missing, which fetches Apache Kafka: {INSTALL}")
    say("fetching Apache Kafka by Maven, once (43 MB)")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        _copy_dependencies(Path(scratch) / "jars")
        try:
            (Path(scratch) / "jars").rename(jars)
        except OSError as error:
            if not _whole(jars):
                raise FetchError(
                    f"{jars} holds no Kafka and cannot be replaced ({error.strerror}): "
                    "empty it, or set CHANGEOVER_JARS to another"
                ) from None
    return jars


def _whole(jars: Path) -> bool:
    return any(jars.glob("kafka_*.jar"))  # a folder is moved to its place whole, or not at all


def _copy_dependencies(target: Path) -> None:
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={target}")
    command = ("mvn", "--batch-mode", "--quiet", "--file", str(POM), *goal)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"Maven did not finish in {FETCH_TIMEOUT_S} s; try again") from None
    if done.returncode or not _whole(target):
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise FetchError(f"Maven could not fetch Apache Kafka; is there a network?\n{last}")


def check_java() -> None:
    """Return if there is a Java that runs the broker.

    Raises:
        MissingProgramError: there is none, or it is older than 17.
    """
    if shutil.which("java") is None:
        raise MissingProgramError(f"Java is missing, which runs Apache Kafka: {INSTALL}")
    told = subprocess.run(("java", "-version"), capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = told.stderr.splitlines()[0] if told.stderr else "this one tells no version"
        raise MissingProgramError(f"Java 17 or newer is needed ({found}): {INSTALL}")
