"""``changeover devices``: devices and their owners."""

import click

from app.cli.people import directory
from app.cli.showing import show_json, show_table


@click.group(name="devices")
def devices() -> None:
    """Devices and their owners."""


@devices.command()
@click.argument("device")
@click.option("--owner", multiple=True, help="A person's id; may be given again.")
def add(device: str, owner: tuple[str, ...]) -> None:
    """Add DEVICE.

    \b
    changeover devices add ikeja-0042 --owner ann
    """
    with directory() as opened:
        opened.add_device(device, owner)


@devices.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List every device and its owners."""
    with directory() as opened:
        every = opened.devices()
    if as_json:
        show_json([{"device": device, "owners": owners} for device, owners in every])
    else:
        show_table(("device", "owners"), [(device, ", ".join(owners)) for device, owners in every])


@devices.command()
@click.argument("device")
@click.option("--add", "added", multiple=True, help="Somebody who owns it now.")
@click.option("--remove", "removed", multiple=True, help="Somebody who owns it no longer.")
def owners(device: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Change who owns DEVICE.

    \b
    changeover devices owners ikeja-0042 --add bob --remove ann
    """
    with directory() as opened:
        for person in added:
            opened.set_owner(device, person, owns=True)
        for person in removed:
            opened.set_owner(device, person, owns=False)


@devices.command()
@click.argument("device")
def remove(device: str) -> None:
    """Remove DEVICE; its owners stay."""
    with directory() as opened:
        opened.remove_device(device)
