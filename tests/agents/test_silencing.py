"""How what a silence held back comes to be sent when that is ended early, on posting's fakes."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from agents import outbox, silencing
from app.directory import Silence, Snapshot
from schemas.delivery import Queued, Silenced, Terms, Unsilenced
from tests.agents.test_posting import PARTITION, World, settled
from tests.tables.outboxes import DAWN, message

OURS = (PARTITION,)
NOW = DAWN + timedelta(minutes=1)
LATER = DAWN + timedelta(hours=2)


def silence(name: str, until: datetime = LATER) -> Silence:
    """Return a silence of everything."""
    return Silence(silence=name, until=until, author="bob")


def terms(revision: int = 1) -> Terms:
    """Return terms on which silence ``one`` holds back, as they were at ``revision``."""
    return Terms(silenced=Silenced("one", LATER, "bob", revision), grouping=0.0)


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def looked(world: World, directory: Snapshot) -> list[Unsilenced]:
    """Return what is written when the worker sees ``directory``, once that is folded."""
    sends = world.post.silencing.look(directory, OURS, NOW)
    await world.send_all(None, sends)
    await world.fold()
    return [msgspec.json.decode(each.value or b"", type=Unsilenced) for each in sends]


def test_what_a_silence_held_back_is_sent_when_that_is_gone(world: World) -> None:
    async def live() -> list[list[Unsilenced]]:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms()))
        await world.fold()
        written = [
            await looked(world, directory)
            for directory in (
                Snapshot(revision=1, silences=(silence("one"),)),
                Snapshot(revision=2),
                Snapshot(revision=2),
            )
        ]
        await world.work()
        return written

    written = asyncio.run(live())

    assert written == [[], [Unsilenced(device="home", rule="grid_lost")], []]
    assert world.provider.taken == ["text 1"]
    assert not world.post.silencing


def test_another_silence_takes_over_and_one_that_ends_sooner_is_seen(world: World) -> None:
    sooner = silence("one", DAWN + timedelta(hours=1))

    async def live() -> list[list[Unsilenced]]:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms()))
        await world.fold()
        return [
            await looked(world, Snapshot(revision=2, silences=(sooner,))),
            await looked(world, Snapshot(revision=3, silences=(sooner, silence("two")))),
            await looked(world, Snapshot(revision=4, silences=(silence("two"),))),
        ]

    until = [[each.silenced and each.silenced.id for each in told] for told in asyncio.run(live())]

    assert until == [["one"], [], ["two"]]
    assert world.provider.taken == []


def test_a_worker_that_takes_over_sees_what_was_ended_meanwhile(world: World) -> None:
    async def live() -> list[Unsilenced]:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms()))
        await world.fold()
        world.post = world.worker()
        return await looked(world, Snapshot(revision=2))

    assert len(asyncio.run(live())) == 1


def test_a_directory_that_is_behind_ends_no_silence(world: World) -> None:
    async def live() -> list[list[Unsilenced]]:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms(revision=2)))
        await world.fold()
        return [
            await looked(world, Snapshot(revision=1)),
            await looked(world, Snapshot(revision=2, silences=(silence("one"),))),
            await looked(world, Snapshot(revision=3)),
        ]

    assert [len(each) for each in asyncio.run(live())] == [0, 0, 1]


def test_a_directory_that_stays_behind_is_an_older_copy_and_holds(world: World) -> None:
    async def live() -> list[int]:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms(revision=9)))
        await world.fold()
        looks = [world.post.silencing.look(Snapshot(revision=1), OURS, DAWN + timedelta(seconds=s))
                 for s in (0, 59, 60)]  # fmt: skip
        return [len(each) for each in looks]

    assert asyncio.run(live()) == [0, 0, 1]


def test_what_is_held_back_elsewhere_is_left_to_who_has_it(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.write(Queued(message=message(1), terms=terms()))
        await world.fold()

    asyncio.run(live())

    assert world.post.silencing.look(Snapshot(revision=2), (PARTITION + 1,), NOW) == []


def test_many_that_are_held_back_are_let_go_one_look_after_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silencing, "MOST", 2)

    async def live() -> list[list[Unsilenced]]:
        await settled(world)
        for number, key in enumerate((b"ann", b"bob", b"cyn")):
            told = msgspec.structs.replace(message(number), recipient=key.decode())
            world.write(Queued(message=told, terms=terms()), key)
        await world.fold()
        return [await looked(world, Snapshot(revision=2)) for _ in range(3)]

    assert [len(each) for each in asyncio.run(live())] == [2, 1, 0]


def test_nothing_is_let_go_while_the_directory_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        async def snapshot(self) -> Snapshot:
            raise OperationalError("select", None, Exception("no database"))

    class There:
        async def snapshot(self) -> Snapshot:
            return Snapshot(revision=2)

    later = datetime.now(UTC) + timedelta(hours=1)  # the agent looks at this machine's clock
    held = Terms(silenced=Silenced("one", later, "bob"), grouping=0.0)
    monkeypatch.setattr(outbox, "post", world.post)

    async def live() -> list[int]:
        await settled(world)
        world.write(Queued(message=message(1), terms=held))
        await world.fold()
        counts = []
        for people in (Away(), There()):
            monkeypatch.setattr(outbox, "people", people)
            counts.append(len(await outbox.unsilenced(OURS)))
        return counts

    assert asyncio.run(live()) == [0, 1]
