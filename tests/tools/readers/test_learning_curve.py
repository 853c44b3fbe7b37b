import pytest
import torch

from tools.readers import learning_curve
from tools.readers.learning_curve import ROOT, Point, draw, main, measure, read_points


@pytest.fixture
def tiny(monkeypatch):
    """Few clips, and a system that needs no backbone."""
    monkeypatch.setattr(learning_curve, "SYSTEMS", {"blind": "blind"})
    monkeypatch.setattr(learning_curve, "VALIDATION_CLIPS", 16)
    monkeypatch.setattr(learning_curve, "TEST_CLIPS", 16)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_what_is_missing_is_measured_and_nothing_twice(tiny, tmp_path):
    path = tmp_path / "curve.jsonl"
    main(["measure", str(path), "--clips", "16", "24", "--seeds", "2"])
    whole = path.read_text()
    points = read_points(path)
    assert [(point.clips, point.seed, point.steps) for point in points] == [
        (16, 0, 8), (24, 0, 8), (16, 1, 8), (24, 1, 8),
    ]  # fmt: skip
    assert all(0 <= point.static <= 100 for point in points)
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    measure(path, sizes=(16, 24), seeds=2)
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())


def test_the_picture_is_drawn_from_the_file(tmp_path):
    points = [Point("vtok-mean", n, seed, 8, 0.1, 60, 50, 40) for n in (400, 800) for seed in (0, 1)]
    draw(points, tmp_path / "curve.png")
    first = (tmp_path / "curve.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    draw(points, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first
    with pytest.raises(SystemExit):
        main(["paint"])


def test_the_kept_curve_has_every_system_size_and_seed():
    points = read_points(ROOT / "docs/results/learning_curve.jsonl")
    found = sorted((point.system, point.clips, point.seed) for point in points)
    wanted = [
        (system, clips, seed)
        for system in learning_curve.SYSTEMS
        for clips in learning_curve.CLIPS
        for seed in range(learning_curve.SEEDS)
    ]
    assert found == sorted(wanted)
