"""Everything on one machine: broker, topics, workers, pages, and perhaps a device."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from app import database, private, providers
from app.broker.node import Node
from app.broker.outside import Outside
from app.broker.ports import check_free
from app.broker.topics import ensure
from app.directory import Directory
from app.receipts import links
from app.settings import Settings
from app.supervisor import Program, Supervisor, command, worker


def programs(
    settings: Settings, workers: int, config: Path | None, *, apart: bool = False
) -> list[Program]:
    """Return what runs beside the broker; config: a device's notifications.config, if any.

    apart: the device reaches the broker where its configuration says, and not as we do.
    """
    env = {**settings.environment(), "KAFKA_BOOTSTRAP_SERVERS": settings.servers}
    house = [worker("decide", env, number) for number in range(1, workers + 1)]
    house += [worker("route", env), worker("deliver", env)]
    house.append(command("dashboard", env=env, ready=b"pages at "))
    if settings.public_url:
        house.append(command("receipts", env=env, ready=b"receipts at "))
    if config is not None:
        of_device = env | {"KAFKA_BOOTSTRAP_SERVERS": ""} if apart else env
        house.append(command("edge", "--config", str(config), env=of_device, ready=b"edge_started"))
    return house


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    say: Callable[[str], None],
    *,
    workers: int = 1,
    config: Path | None = None,
    outside: Outside | None = None,
) -> AsyncIterator[None]:
    """Run everything until the block is left; enter it when they are ready.

    outside: of our own node, by which the device of ``config`` reaches it.

    Raises:
        SettingsError: a provider cannot be used as it is set; nothing was started, as below.
        DatabaseError: the database cannot be used.
        BrokerError: the broker cannot be started or reached, or its topics are not as they must be.
        NotReadyError: the workers did not come up.
    """
    home = settings.home_dir
    private.make_folder(home)
    providers.check(settings)
    links.of(settings)
    check_free(settings.dashboard_port, "CHANGEOVER_DASHBOARD_PORT")
    with database.told():  # its tables, before two programs make them
        Directory(settings.database_url).close()
    with contextlib.ExitStack() as stack:
        if not settings.bootstrap:
            say(f"starting Apache Kafka on 127.0.0.1:{settings.broker_port}")
            stack.enter_context(Node(home, settings.broker_port, say, outside))
        await ensure(settings.servers, settings.partitions)
        supervisor = Supervisor(home / "logs", say)
        try:
            say("starting the workers and the dashboard")
            apart = outside is not None
            await supervisor.start(programs(settings, workers, config, apart=apart))
            await supervisor.ready()
            yield
        finally:
            await supervisor.stop()
