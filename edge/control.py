"""A socket beside the spool by which our own commands ask the running edge; its owner's alone.

One JSON request a line, one JSON answer a line.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

LONGEST = 1_048_576
ANSWERS_S = 120.0  # a text may wait for the network

Request = dict[str, Any]
Answer = Callable[[Request], Awaitable[Any]]

log = structlog.get_logger()


class NotRunningError(Exception):
    """No edge is running on this spool."""


def path_of(spool: Path) -> Path:
    """Return where the edge with this ``spool`` listens."""
    return spool.with_name(spool.name + ".sock")


@asynccontextmanager
async def answering(spool: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer requests by ``answer`` within the block; go without if it cannot be."""
    path = path_of(spool)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.LimitOverrunError):
            request = json.loads(await reader.readline())
            writer.write(json.dumps(await answer(request)).encode() + b"\n")
            await writer.drain()
        writer.close()

    with suppress(FileNotFoundError):
        path.unlink()
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(handle, path, limit=LONGEST)
    except OSError as error:
        log.warning("control_unavailable", socket=str(path), reason=str(error))
        yield
        return
    finally:
        os.umask(before)
    try:
        async with server:
            yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


async def ask(spool: Path, request: Request) -> Any:
    """Return what the edge running on ``spool`` answers.

    Raises:
        NotRunningError: there is none.
    """
    try:
        async with asyncio.timeout(ANSWERS_S):
            reader, writer = await asyncio.open_unix_connection(path_of(spool), limit=LONGEST)
            writer.write(json.dumps(request).encode() + b"\n")
            answer = await reader.readline()
            writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        gone = isinstance(error, FileNotFoundError | ConnectionRefusedError)
        reason = "; start it by `changeover edge`" if gone else f": {error or 'no answer'}"
        raise NotRunningError(f"no edge is running on {spool}{reason}") from None
    return json.loads(answer)
