"""``changeover devices``: devices, their groups, and who has to do with them."""

import click
import msgspec

from app.cli.exchange import SEPARATORS, add_exchange
from app.cli.opening import directory, found, put, remove_entry
from app.cli.roles import add_roles, role_options
from app.cli.showing import show_json, show_table
from app.directory import Device, DirectoryError


@click.group(name="devices")
def devices() -> None:
    """Devices, their groups, and who has to do with them."""


@devices.command()
@click.argument("device")
@role_options
@click.option("--group", multiple=True, help="A group that it is in; may be given again.")
def add(device: str, group: tuple[str, ...], **roles: tuple[str, ...]) -> None:
    """Add DEVICE.

    \b
    changeover devices add ikeja-0042 --owner ann
    """
    entry = Device(device=device, groups=group, **roles)
    with directory() as opened:
        if opened.find(Device, device):
            raise DirectoryError(f"there is a device {device} already; `changeover devices grant`")
        put(opened, entry)
    if SEPARATORS.search(device):
        click.echo(
            f"is it called just so in its notifications.config? device = {device!r}", err=True
        )


@devices.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List every device, its groups, and who has to do with it."""
    with directory() as opened:
        every = opened.all(Device)
    if as_json:
        show_json([msgspec.to_builtins(each) for each in every])
        return
    columns = ("device", "owners", "watchers", "operators", "groups")
    rows = [(each.device, *(" ".join(getattr(each, of)) for of in columns[1:])) for each in every]
    show_table(columns, rows)


@devices.command()
@click.argument("device")
@click.argument("group")
def join(device: str, group: str) -> None:
    """Put DEVICE into GROUP."""
    with directory() as opened:
        entry = found(opened, Device, device)
        put(opened, msgspec.structs.replace(entry, groups=(*entry.groups, group)))


@devices.command()
@click.argument("device")
@click.argument("group")
def leave(device: str, group: str) -> None:
    """Take DEVICE out of GROUP."""
    with directory() as opened:
        entry = found(opened, Device, device)
        groups = tuple(each for each in entry.groups if each != group)
        put(opened, msgspec.structs.replace(entry, groups=groups))


@devices.command()
@click.argument("device")
def remove(device: str) -> None:
    """Remove DEVICE; people stay."""
    remove_entry(Device, device)


add_roles(devices, Device)
add_exchange(devices, Device)
