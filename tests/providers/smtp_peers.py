"""Mail servers on loopback: aiosmtpd with faults at any step, and Postfix's smtp-sink."""

import asyncio
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DROP, HANG = "drop", "hang"
STARTS_WITHIN_S = 20
POSTFIX = Path(__file__).parents[2] / ".cache" / "postfix" / "usr"  # deploy/prerequisites mails
SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{POSTFIX / 'sbin'}")
LISTENS = "0A"  # in /proc/net/tcp: TCP_LISTEN


class Peer:
    """What one server was given. faults: by step, or step and address, a reply, DROP or HANG.

    mails: accepted ones. begun: connections. commands: all that was said, without arguments.
    left: set whenever a connection has ended. told: set when a mail was read to its end.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = dict(faults)
        self.mails: list[Envelope] = []
        self.begun = self.open = self.most = self.port = 0
        self.commands: list[str] = []
        self.left, self.told = asyncio.Event(), asyncio.Event()
        self.sessions = set[Faulty]()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(server, Faulty)
        self.told.set()
        fault = self.faults.get("END") or self.faults.get(f"END {envelope.rcpt_tos[0]}")
        if fault in {DROP, HANG}:
            await server.fall_silent(fault)
        if fault:
            return fault
        self.mails.append(envelope)
        return "250 2.0.0 Ok: queued as 4F3"


class Faulty(SMTP):
    """aiosmtpd that does what ``peer.faults`` say."""

    def __init__(self, peer: Peer, **options: Any) -> None:
        super().__init__(peer, hostname="peer.example", **options)
        self.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self.peer.sessions:  # it is made twice with STARTTLS
            self.peer.sessions.add(self)
            self.peer.begun += 1
            self.peer.open += 1
            self.peer.most = max(self.peer.most, self.peer.open)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self in self.peer.sessions:
            self.peer.sessions.discard(self)
            self.peer.open -= 1
            self.peer.left.set()

    def hang_up(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    async def fall_silent(self, fault: str) -> None:
        if fault == DROP:
            self.hang_up()
        await asyncio.Event().wait()  # until aiosmtpd cancels it, when the connection is lost

    async def push(self, status: str | bytes) -> None:
        greeting = self.peer.faults.get("GREETING")
        if isinstance(status, bytes):
            await super().push(status)
        elif greeting and status.startswith("220 peer.example"):
            await self._fail(greeting)
        else:
            await super().push(status)

    async def _fail(self, fault: str) -> None:
        if fault in {DROP, HANG}:
            await self.fall_silent(fault)
        await super().push(fault)
        if fault.startswith("421"):
            self._writer.close()

    async def _failed(self, command: str, argument: str | None) -> bool:
        self.peer.commands.append(command)
        address = (argument or "").partition("<")[2].partition(">")[0]
        fault = self.peer.faults.get(command) or self.peer.faults.get(f"{command} {address}")
        if fault:
            await self._fail(fault)
        return bool(fault)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's names, from here on
        if not await self._failed("EHLO", hostname):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        if not await self._failed("STARTTLS", arg):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        if not await self._failed("AUTH", arg):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if not await self._failed("MAIL", arg):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if not await self._failed("RCPT", arg):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self._failed("DATA", arg):
            await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if not await self._failed("RSET", arg):
            await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        if not await self._failed("QUIT", arg):
            await super().smtp_QUIT(arg)


def accepts(user: str, secret: str) -> Any:
    """Return an authenticator that lets in ``user`` with ``secret`` and nobody else."""
    right = LoginPassword(user.encode(), secret.encode())

    def check(
        server: SMTP, session: Session, envelope: Envelope, way: str, given: Any
    ) -> AuthResult:
        return AuthResult(success=given == right, handled=False)

    return check


@asynccontextmanager
async def peer(
    faults: Mapping[str, str] | None = None, tls_first: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Peer]:
    """Yield a server of aiosmtpd's in this event loop. options: those of its SMTP class."""
    it = Peer(faults or {})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Faulty(it, loop=loop, **options), "127.0.0.1", 0, ssl=tls_first
    )
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        while it.sessions:
            it.left.clear()
            for session in tuple(it.sessions):
                session.hang_up()
            await it.left.wait()


@contextmanager
def sink(folder: Path, *switches: str) -> Iterator[int]:
    """Yield the port of an smtp-sink that keeps each mail in a file of ``folder``."""
    assert SINK is not None
    # It wants another user when it is root's, and that user may not write where root's tests do.
    argv = [SINK, *(["-u", "root"] if os.getuid() == 0 else []), "-d", f"{folder}/mail.", *switches]
    env = os.environ | {"LD_LIBRARY_PATH": str(POSTFIX / "lib" / "postfix")}
    process = subprocess.Popen([*argv, "127.0.0.1:0", "100"], env=env)
    try:
        yield _port(process)
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes]) -> int:
    """Return the port on which ``process`` listens, once it does: proc(5), /proc/net/tcp."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        own = _descriptors(process.pid)
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in own:
                return int(fields[1].partition(":")[2], 16)
        time.sleep(0.01)
    raise AssertionError("smtp-sink did not start to listen")


def _descriptors(pid: int) -> set[str]:
    found = set[str]()
    with suppress(OSError):  # it is closing some, or has ended
        for each in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(each.readlink()))
    return found


def certificate(folder: Path, name: str = "IP:127.0.0.1") -> Path:
    """Return a PEM file with a certificate for ``name`` and its key, made by openssl."""
    pem, key = folder / "server.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=peer", "-addext", f"subjectAltName={name}",
         "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem


def served(pem: Path) -> ssl.SSLContext:
    """Return what a server needs to show the certificate in ``pem``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
