"""What the probe's readings accumulate. Pure.

On a source other than the inverter power and drain are 0; the drain starts anew each time the
load goes on the inverter, where the first reading counts in full. Before the source is known,
power is as read and the drain is unknown.
"""

import msgspec

from schemas.events import Reading, Source

MWH_PER_WH = 1_000


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
    power, energy_wh = energy.power_w, energy.energy_wh
    battery, soc, drained = energy.battery_v, energy.soc_pct, energy.drained_mwh
    if source is Source.INVERTER and before is not Source.INVERTER:
        drained = 0
    if reading is not None:
        power, energy_wh = reading.power_w, reading.energy_wh
        battery = battery if reading.battery_v is None else reading.battery_v
        soc = soc if reading.soc_pct is None else reading.soc_pct
        if drained is not None and source is Source.INVERTER:
            drained += round(reading.energy_wh * MWH_PER_WH)
    if source is not None and source is not Source.INVERTER:
        power, drained = 0.0, 0
    return Energy(power, energy_wh, battery, soc, drained)
