"""A mail server that takes every mail after a pause, and a plain client that sends to it.

python -m bench.peers.mails serve PORT FILE    # a line in FILE for each mail: when, and to whom
python -m bench.peers.mails send PORT COUNT    # COUNT mails over 40 connections
"""

import asyncio
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

LOOPBACK = "127.0.0.1"
TAKES_S = 0.05
CONNECTIONS = 40


async def serve(port: int, file: Path) -> None:
    """Take mails for ever."""
    with file.open("w", buffering=1) as taken:

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 sink ESMTP\r\n")
            to = ""
            while line := await reader.readline():
                command = line[:4].upper()
                if command == b"RCPT":
                    to = line.decode().partition("<")[2].partition(">")[0]
                if command == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    await asyncio.sleep(TAKES_S)
                    taken.write(f"{time.time()} {to}\n")
                    writer.write(b"250 2.0.0 taken\r\n")
                elif command == b"EHLO":
                    writer.write(b"250-sink\r\n250 8BITMIME\r\n")
                elif command == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 2.0.0 ok\r\n")
            writer.close()

        async with await asyncio.start_server(handle, LOOPBACK, port):
            await asyncio.Event().wait()


async def send(port: int, count: int) -> None:
    """Send so many mails as simply as can be; say how many seconds it took."""
    left = iter(range(count))

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname=LOOPBACK, port=port, start_tls=False) as client:
            for number in left:
                mail = EmailMessage()
                mail["From"], mail["To"] = "a@example.com", f"person-{number}@example.com"
                mail["Subject"] = "the grid is lost"
                mail.set_content("the grid is lost, the load is on the inverter")
                await client.send_message(mail)

    began_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    sys.stdout.write(f"{time.perf_counter() - began_s}\n")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        asyncio.run(send(int(sys.argv[2]), int(sys.argv[3])))
