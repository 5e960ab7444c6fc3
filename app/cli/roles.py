"""``grant`` and ``revoke``: who is what to a device, or to each device of a group."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from app.cli.opening import directory, found, put
from app.directory import Device, DirectoryError, Group
from tables.routing import Role

Command = TypeVar("Command", bound=Callable[..., Any])


def role_options(command: Command) -> Command:
    """Give ``command`` the options ``--owner``, ``--watcher`` and ``--operator``."""
    helps = {
        Role.OWNER: "A person's id; may be given again, first first.",
        Role.WATCHER: "Likewise; told at once, and not waited for.",
        Role.OPERATOR: "Likewise; told when nobody else answered.",
    }
    for role in reversed(Role):
        option = click.option(f"--{role}", f"{role}s", multiple=True, help=helps[role])
        command = option(command)
    return command


def add_roles(group: click.Group, kind: type[Device | Group]) -> None:
    """Give ``group`` the commands ``grant`` and ``revoke`` for entries of ``kind``."""

    @group.command(
        help=f"Let PERSON be an owner, watcher or operator of the {kind.what} NAME.\n\n"
        "An owner is told at once; a watcher too, and nobody waits for an answer; an operator is "
        "told when nobody else answered, or there is nobody else."
    )
    @click.argument("name")
    @click.argument("person")
    @click.argument("role", type=click.Choice([each.value for each in Role]))
    @click.option("--first", is_flag=True, help="Asked before the others of this role.")
    def grant(name: str, person: str, role: str, first: bool) -> None:
        with directory() as opened:
            entry = found(opened, kind, name)
            roles = _without(entry, person)
            people = roles[f"{role}s"]
            roles[f"{role}s"] = (person, *people) if first else (*people, person)
            put(opened, msgspec.structs.replace(entry, **roles))

    @group.command(help=f"PERSON has to do with the {kind.what} NAME no longer.")
    @click.argument("name")
    @click.argument("person")
    def revoke(name: str, person: str) -> None:
        with directory() as opened:
            entry = found(opened, kind, name)
            if not any(person in people for _, people in entry.roles()):
                raise DirectoryError(f"{person} has no role on {kind.what} {name}")
            put(opened, msgspec.structs.replace(entry, **_without(entry, person)))


def _without(entry: Device | Group, person: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{role.value}s": tuple(each for each in people if each != person)
        for role, people in entry.roles()
    }
