"""``changeover groups``: devices that have something in common, and who sees to them."""

import click
import msgspec

from app.cli.exchange import add_exchange
from app.cli.opening import directory, put, remove_entry
from app.cli.roles import add_roles, role_options
from app.cli.showing import show_json, show_table
from app.directory import Device, DirectoryError, Group


@click.group(name="groups")
def groups() -> None:
    """Devices that have something in common, and who sees to them."""


@groups.command()
@click.argument("group")
@role_options
def add(group: str, **roles: tuple[str, ...]) -> None:
    """Add GROUP: a role on it is one on each of its devices.

    \b
    changeover groups add ikeja --operator bob
    changeover devices join ikeja-0042 ikeja
    """
    entry = Group(group=group, **roles)
    with directory() as opened:
        if opened.find(Group, group):
            raise DirectoryError(f"there is a group {group} already; `changeover groups grant`")
        put(opened, entry)


@groups.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List every group, how many devices it has, and who has to do with them."""
    with directory() as opened:
        every = opened.all(Group)
        devices = opened.all(Device)
    if as_json:
        show_json([msgspec.to_builtins(each) for each in every])
        return
    columns = ("group", "devices", "owners", "watchers", "operators")
    rows = [
        (
            each.group,
            sum(each.group in device.groups for device in devices),
            *(" ".join(getattr(each, of)) for of in columns[2:]),
        )
        for each in every
    ]
    show_table(columns, rows)


@groups.command()
@click.argument("group")
def remove(group: str) -> None:
    """Remove GROUP; its devices stay."""
    remove_entry(Group, group)


add_roles(groups, Group)
add_exchange(groups, Group)
