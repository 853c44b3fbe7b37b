"""A small version of the simulated run: lanes die and dawdle, and every sample has one record."""

from tools.speed.lanes_simulation import Simulation, simulate


def test_nothing_is_lost_or_doubled_while_lanes_die(tmp_path):
    simulation = Simulation(
        n_samples=6_400, n_lanes=3, n_jobs=5, seconds=0.001, deaths=0.05, stragglers=0.02, straggle_s=0.05
    )
    found = simulate(simulation, tmp_path)
    assert (found.samples, found.lost, found.failed) == (6_400, 0, 0)
    assert found.deaths > 0
