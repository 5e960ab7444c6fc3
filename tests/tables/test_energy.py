"""What readings accumulate."""

from schemas.events import Source
from tables.energy import Energy, evolve
from tests.events import GRID, INVERTER, reading


def test_the_first_reading_on_the_inverter_counts_in_full() -> None:
    seen = evolve(Energy(), GRID, INVERTER, reading(0, power_w=100, energy_wh=1.5))

    assert (seen.power_w, seen.drained_wh) == (100, 1.5)


def test_the_drain_is_summed_in_whole_mwh() -> None:
    energy = Energy(drained_mwh=0)
    for _ in range(1_000):
        energy = evolve(energy, INVERTER, INVERTER, reading(0, energy_wh=0.1))

    assert energy.drained_wh == 100


def test_on_another_source_power_and_drain_are_zero() -> None:
    energy = Energy(power_w=500, drained_mwh=7)

    seen = evolve(energy, INVERTER, GRID, reading(0, power_w=3, energy_wh=1, soc_pct=50))

    assert seen == Energy(0, 1, None, 50, 0)


def test_before_the_source_is_known_power_is_as_read_and_the_drain_unknown() -> None:
    seen = evolve(Energy(), None, None, reading(0, power_w=3, energy_wh=1))

    assert (seen.power_w, seen.drained_wh) == (3, None)


def test_what_a_reading_lacks_keeps_its_last_value() -> None:
    energy = Energy(battery_v=51.0, soc_pct=80)

    seen = evolve(energy, Source.SOLAR, Source.SOLAR, reading(0))

    assert (seen.battery_v, seen.soc_pct) == (51.0, 80)
