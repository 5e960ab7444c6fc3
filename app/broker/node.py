"""One Apache Kafka node (KRaft, broker and controller in one) below a folder of its own.

``broker/data`` is formatted beside its place and moved there whole, so what lies there is either
complete or damaged, and what is damaged is never touched.
"""

import asyncio
import fcntl
import re
import shutil
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.broker import jars
from app.broker.errors import BrokerFailedError, DataDirectoryError
from app.broker.outside import Outside
from app.broker.ports import LOOPBACK, check_free, free_port, in_use
from app.supervisor import mortal

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
POLL_S = 0.1
SHOWN_LINES = 8
PARTITION = re.compile(r".+-\d+")
LOG4J = Path(__file__).with_name("log4j2.xml")
# One node keeps one copy of everything; few partitions of the offsets topic start faster. After a
# SIGKILL the controller, in the same process, waits for the broker's old session to time out; and a
# house that was closed for weeks must find its offsets: Kafka forgets them after seven days.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}{listens}
advertised.listeners=PLAINTEXT://{host}:{port}{reached}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OUTSIDE:{protocol}
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
offsets.retention.minutes=525600
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
{logins}"""


def _quiet(_: str) -> None:
    pass


def _locked(file: Path) -> bool:
    with file.open("ab") as probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _lacking(data: Path) -> str:
    meta = data / "meta.properties"
    if not meta.exists() or not meta.read_text().strip():
        return "meta.properties"
    # Without the metadata log Kafka takes every partition for a stray and sets it aside.
    metadata = data / "__cluster_metadata-0"
    partitions = any(PARTITION.fullmatch(each.name) for each in data.iterdir())
    return metadata.name if partitions and not metadata.exists() else ""


class Node:
    """A broker that runs from ``start`` to ``stop``, or within a ``with`` block.

    Start it on the main thread: the kernel ends it when the thread that started it dies.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        say: Callable[[str], None] = _quiet,
        outside: Outside | None = None,
    ) -> None:
        """Keep everything in ``home/broker`` and listen on ``port`` of the loopback.

        say: told what takes long. outside: a second port, for clients behind a wire.
        """
        self._outside = outside
        self._folder = home / "broker"
        self._port = port
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def servers(self) -> str:
        """Return its address, as clients want it."""
        return f"{LOOPBACK}:{self._port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start it and return when it really answers, within 60 s.

        Raises:
            BrokerError: one of its leaves; nothing is left running.
        """
        jars.check_java()
        classpath = f"{jars.fetched(self._say)}/*"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._until_data_is_free()
            check_free(self._port, "CHANGEOVER_BROKER_PORT")
            properties = self._configured(classpath)
            self._process = self._java(classpath, "kafka.Kafka", properties)
            self._until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, if it runs, and return when it has gone; its data stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self._lock = (self._folder / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise DataDirectoryError(
                f"another broker runs on {self._folder}: end it, or set CHANGEOVER_HOME to another"
            ) from None

    def _until_data_is_free(self) -> None:
        # A broker whose parent was killed still writes for a moment. Kafka's own lock tells.
        held = self._folder / "data" / ".lock"
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while held.exists() and _locked(held):
            if time.monotonic() > deadline:
                raise DataDirectoryError(
                    f"a broker without a parent runs on {self._folder}: end it (fuser {held})"
                )
            time.sleep(POLL_S)  # the lock is another process's: it tells nobody when it is free

    def _configured(self, classpath: str) -> Path:
        data = self._folder / "data"
        if not data.exists():
            self._format(classpath, data)
        elif lacking := _lacking(data):
            raise DataDirectoryError(
                f"{data} is half-written: it has no {lacking}. Put a whole copy in its "
                f"place, or move it away to begin with no data: mv {data} {data}.damaged"
            )
        return self._properties(data, free_port(self._port))

    def _format(self, classpath: str, data: Path) -> None:
        new = data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        properties = self._properties(new, free_port(self._port))
        # One argument: one id in 64 begins with a dash and would be taken for an option.
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster()}", "--config")
        self._process = self._java(classpath, *tool, properties)
        try:
            failed = self._process.wait(START_TIMEOUT_S) != 0
        except subprocess.TimeoutExpired:
            failed = True
        if failed:
            raise BrokerFailedError(f"{data} could not be formatted:\n{self._last_errors()}")
        new.rename(data)

    def _cluster(self) -> str:
        """Return the id of a cluster of its own."""
        return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def _properties(self, data: Path, controller: int) -> Path:
        # Java runs in the folder and is told names without a path: the properties are Latin-1,
        # and a comma in log.dirs separates two.
        file = self._folder / "server.properties"
        outside, listens, reached = self._outside, "", ""
        if outside is not None:
            listens = f",OUTSIDE://{LOOPBACK}:{outside.port}"
            reached = f",OUTSIDE://{LOOPBACK}:{outside.reached_by}"
        text = PROPERTIES.format(
            host=LOOPBACK,
            port=self._port,
            controller=controller,
            data=data.name,
            listens=listens,
            reached=reached,
            protocol="PLAINTEXT" if outside is None else outside.protocol,
            logins="" if outside is None else outside.logins,
        )
        file.write_text(text)
        return Path(file.name)

    def _java(self, classpath: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        options = (
            "-Xmx512m",
            f"-Dlog4j2.configurationFile={LOG4J}",
            "-Dchangeover.log=broker.log",
        )
        argv = ("java", *options, "-cp", classpath, *map(str, arguments))
        with (self._folder / "errors.log").open("wb") as errors:
            return subprocess.Popen(
                mortal(argv),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the one who stops it
            )

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        answers = False
        with ThreadPoolExecutor(1) as thread:  # there may be an event loop on this one
            while not answers:
                if time.monotonic() > deadline:
                    raise BrokerFailedError(
                        f"the broker does not answer after {START_TIMEOUT_S} s:\n"
                        f"{self._last_errors()}"
                    )
                time.sleep(POLL_S)  # a broker tells nobody that it has come up
                answers = (
                    in_use(self._port) and thread.submit(asyncio.run, self._answers()).result()
                )
                # After the answer: it may have come from another that took the port meanwhile.
                if self._process is None or self._process.poll() is not None:
                    raise BrokerFailedError(f"the broker ended at once:\n{self._last_errors()}")

    async def _answers(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            return bool(cluster["brokers"])
        except KafkaError:
            return False
        finally:
            await admin.close()

    def _last_errors(self) -> str:
        file = self._folder / "errors.log"
        lines = file.read_text(errors="replace").splitlines()
        told = [line for line in lines if line and not line.lstrip().startswith("at ")]
        return "\n".join((*told[-SHOWN_LINES:], f"(more in {self._folder / 'broker.log'})"))
