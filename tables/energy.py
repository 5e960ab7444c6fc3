"""What the probe's readings accumulate. Pure.

On a source other than the inverter power and drain are 0; the drain starts anew each time the
load goes on the inverter, where the first reading counts in full. Before the source is known,
power is as read and the drain is unknown.
"""

import msgspec

from schemas.events import Reading, Source

MWH_PER_WH = 1_000
INVERTER = Source.INVERTER  # found in a tenth of the time


class Energy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last known values; None was never seen. drained_mwh: whole, so that sums are exact."""

    power_w: float | None = None
    energy_wh: float | None = None
    battery_v: float | None = None
    soc_pct: float | None = None
    drained_mwh: int | None = None

    @property
    def drained_wh(self) -> float | None:
        """Return the energy drained since the load went on the inverter."""
        return None if self.drained_mwh is None else self.drained_mwh / MWH_PER_WH


def evolve(
    energy: Energy, before: Source | None, source: Source | None, reading: Reading | None
) -> Energy:
    """Return ``energy`` after an event.

    before, source: the active source before and after it. reading: the event, if it is one.
    """
    inverting = source is INVERTER
    elsewhere = not inverting and source is not None
    drained = energy.drained_mwh
    if elsewhere or (inverting and before is not INVERTER):
        drained = 0
    if reading is None:
        power = 0.0 if elsewhere else energy.power_w
        return Energy(power, energy.energy_wh, energy.battery_v, energy.soc_pct, drained)
    if inverting and drained is not None:
        drained += round(reading.energy_wh * MWH_PER_WH)
    power = 0.0 if elsewhere else reading.power_w
    battery, soc = reading.battery_v, reading.soc_pct
    if battery is None:
        battery = energy.battery_v
    if soc is None:
        soc = energy.soc_pct
    return Energy(power, reading.energy_wh, battery, soc, drained)
