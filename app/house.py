"""Everything on one machine: broker, topics, workers, pages, and perhaps a device."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from app.broker.node import Node
from app.broker.topics import ensure
from app.settings import Settings
from app.supervisor import Program, Supervisor, command, worker
from schemas import topics

GROUPS = (topics.DECIDE, topics.ROUTE, topics.DELIVER)
POLL_S = 0.2
READY_TIMEOUT_S = 60


class NotReadyError(Exception):
    """The workers did not join their groups in time; the sentence names their logs."""


def programs(settings: Settings, workers: int, config: Path | None) -> list[Program]:
    """Return what runs beside the broker; config: a device's notifications.config, if any."""
    env = {**settings.environment(), "KAFKA_BOOTSTRAP_SERVERS": settings.servers}
    house = [worker("decide", env, number) for number in range(1, workers + 1)]
    house += [worker("route", env), worker("deliver", env)]
    house.append(command("dashboard", env=env))
    if config is not None:
        house.append(command("edge", "--config", str(config), env=env))
    return house


@contextlib.asynccontextmanager
async def running(
    settings: Settings, say: Callable[[str], None], *, workers: int = 1, config: Path | None = None
) -> AsyncIterator[None]:
    """Run everything until the block is left; enter it when the workers have joined their groups.

    Raises:
        BrokerError: the broker cannot be started or reached, or its topics are not as they must be.
        NotReadyError: the workers did not come up.
    """
    home = settings.home_dir
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not settings.bootstrap:
            say(f"starting Apache Kafka on 127.0.0.1:{settings.broker_port}")
            stack.enter_context(Node(home, settings.broker_port))
        await ensure(settings.servers, settings.partitions)
        supervisor = Supervisor(home / "logs", say)
        try:
            say("starting the workers and the dashboard")
            await supervisor.start(programs(settings, workers, config))
            await _joined(settings.servers, home / "logs")
            yield
        finally:
            await supervisor.stop()


async def _joined(servers: str, logs: Path) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await _stable(admin):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise NotReadyError(f"the workers are not ready after 60 s; see {logs}") from None
    finally:
        await admin.close()


async def _stable(admin: AIOKafkaAdminClient) -> bool:
    states = []
    for response in await admin.describe_consumer_groups(list(GROUPS)):
        states += [group[2] for group in response.groups]  # error, group, state, …
    return states == ["Stable"] * len(GROUPS)
