"""Pictures: labels that do not cover each other, lines between what belongs together, the numbers shown."""

from __future__ import annotations

import io
import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports.families import line_of
from reports.plots.attributes import MAX_SYSTEMS, shown_systems
from reports.plots.cost import growth, latency, memory
from reports.plots.frontier import frontier
from reports.plots.labels import DODGE, Box, choose_places, side_by_side
from reports.plots.style import DARK, LIGHT, looks
from reports.plots.svg import draw_points, svg_file
from reports.run_document import RunSystem
from reports.run_report import gather


def overlap(a, b):
    """The area that two boxes share."""
    width = min(a.right, b.right) - max(a.left, b.left)
    return max(0.0, width) * max(0.0, min(a.top, b.top) - max(a.bottom, b.bottom))


def within(box, room):
    return overlap(box, room) == pytest.approx((box.right - box.left) * (box.top - box.bottom))


def test_labels_of_a_crowd_do_not_overlap():
    # Eight points on one spot: there is room for all labels around it, and none may cover another.
    room = Box(0, 0, 400, 400)
    centres = [(200.0 + i, 200.0) for i in range(8)]
    placed = choose_places(centres, [(40.0, 8.0)] * 8, obstacles=[Box(196, 196, 212, 204)], room=room)
    for i, box in enumerate(placed):
        assert within(box, room)
        assert all(overlap(box, other) == 0 for other in placed[i + 1 :])


def test_a_label_stays_within_the_axes():
    room = Box(0, 0, 100, 100)
    (box,) = choose_places([(98.0, 98.0)], [(30.0, 8.0)], obstacles=[], room=room)
    assert within(box, room)


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 12), min_size=1, max_size=8))
def test_side_by_side_keeps_order_and_distance(places):
    moved = side_by_side(places)
    ordered = sorted(places, key=lambda name: places[name])
    assert moved.keys() == places.keys()
    # Whoever stood alone stays; nobody goes further than the crowd is wide.
    for name in places:
        others = [abs(places[name] - at) for other, at in places.items() if other != name]
        if all(distance >= DODGE for distance in others):
            assert moved[name] == pytest.approx(places[name])
        assert abs(moved[name] - places[name]) <= DODGE * len(places)
    close = [abs(moved[a] - moved[b]) for a, b in pairwise(ordered)]
    gaps = [places[b] - places[a] for a, b in pairwise(ordered)]
    for distance, gap in zip(close, gaps, strict=True):
        if gap < DODGE:
            assert distance == pytest.approx(DODGE)


def test_lines_join_what_differs_in_budget_only():
    def line(spec):
        return line_of(RunSystem(name=spec, spec=spec))

    assert (
        line("codec:libx264:crf=22")
        == line("codec:libx264:crf=36")
        == line("codec:libx264:bits_per_pixel=0.1")
    )
    assert (
        line("codec:libx264:crf=22,preset=slow")
        != line("codec:libx264:crf=22")
        != line("codec:libx265:crf=22")
    )

    assert line("frames-2") == line("frames-8")
    assert line("vtok:pool=grid,stride=1") == line("vtok:stride=2,pool=grid")
    assert line("vtok:pool=grid,stride=1") != line("vtok:pool=mean,stride=1")
    assert line("frames-8:grid=2") != line("frames-8")
    assert line("frames:budget=match:vtok") != line("frames-2")


def test_looks_differ_within_a_family_and_controls_are_hollow():
    systems = [RunSystem(name=f"frames-{i}", spec=f"frames-{i}") for i in (1, 2, 4, 8)]
    systems.append(RunSystem(name="off", spec="vtok:residual=off", control=True))
    found = looks(systems, LIGHT)
    assert len({found[f"frames-{i}"].marker for i in (1, 2, 4, 8)}) == 4
    assert found["off"].face == LIGHT.background
    assert found["frames-1"].face == found["frames-1"].color


def test_settings_of_a_codec_share_a_colour():
    specs = {"a": "codec:libx264:crf=20", "b": "codec:libx264:crf=36", "c": "codec:libx265:crf=20"}
    found = looks([RunSystem(name=n, spec=s, kind="codec") for n, s in specs.items()], LIGHT)
    assert found["a"].color == found["b"].color != found["c"].color
    assert len({look.marker for look in found.values()}) == 3


def test_the_frontier_shows_the_scores(finished_run):
    report = gather(finished_run.path, rank=False)
    benchmark = report.benchmark("understanding-scenes")
    picture = frontier(report, benchmark)
    assert len(picture.data) == 3 * 11
    for row in picture.data.to_dict("records"):
        score = benchmark.cell(row["system"], row["metric"]).score
        assert (row["value"], row["low"], row["high"]) == (score.value, score.low, score.high)
        assert row["tokens_per_clip"] == benchmark.tokens[row["system"]]
    assert "vtok-grid" in picture.alt
    figure = picture.draw(DARK)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["Static (%)", "Temporal (%)", "Camera (%)"]
    names = {text.get_text() for text in panels[1].texts}
    assert {system.name for system in benchmark.systems} <= names
    # The label is in the picture, and no score is cut off by the axes.
    assert report.label in " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    low, high = panels[1].get_ylim()
    scores = [benchmark.cell(system.name, "temporal").score for system in benchmark.systems]
    assert all(low < 100 * score.low and 100 * score.high < high for score in scores)


def test_latency_leaves_out_what_encodes_nothing(finished_run):
    report = gather(finished_run.path, rank=False)
    benchmark = report.benchmark("efficiency")
    picture = latency(report, benchmark)
    assert set(picture.data["system"]) == {system.name for system in benchmark.systems} - {"blind"}
    row = next(row for row in picture.data.to_dict("records") if row["system"] == "frames-4")
    assert row["tokens"] == 64
    assert row["value"] == benchmark.cell("frames-4", "latency_ms@16").score.value
    assert set(picture.data["unit"]) == {"ms"}


def test_memory_stands_against_tokens_too(finished_run):
    report = gather(finished_run.path, rank=False)
    picture = memory(report, report.benchmark("efficiency"))
    # The made-up run takes 1.5 MiB a frame, of clips of 16 frames.
    assert set(picture.data["value"]) == {24.0}
    assert "frames-4: 24 at 64 tokens" in picture.alt


def test_growth_draws_equal_systems_once(finished_run):
    report = gather(finished_run.path, rank=False)
    picture = growth(report, report.benchmark("efficiency"))
    frames = picture.data.set_index(["system", "n_frames"])["value"]
    # VTok: S + (T - 1) with S = 16; frame sampling does not grow.
    assert [frames["vtok-grid", n] for n in (4, 8, 16, 32)] == [19, 23, 31, 47]
    assert [frames["frames-2", n] for n in (4, 32)] == [32, 32]
    (axes,) = picture.draw(LIGHT).axes
    # Eleven systems on six lines: vtok x3, frames-1 = keyframe, frames-2 x3 (matched, grid=2), 4, 8, blind.
    names = [text.get_text().replace("\n", " ") for text in axes.get_legend().get_texts()]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert len(curves) == len(names) == 6
    assert "frames-1, keyframe" in names


def test_a_point_beyond_the_drawing_takes_no_text_from_the_others():
    figure = Figure()
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(1, 100)
    draw_points(axes, [(1, 1, "one"), (0, 2, "no place on a log scale"), (10, 3, "ten")], marker="o")
    written = io.BytesIO()
    figure.savefig(written, format="svg")
    said = re.findall(r"<title>([^<]*)</title></use>", svg_file(written.getvalue()).decode())
    assert said == ["one", "ten"]


def test_the_baselines_budget_chooses_the_systems(finished_run):
    benchmark = gather(finished_run.path, rank=False).benchmark("understanding-scenes")
    systems, choice = shown_systems(benchmark, baseline="frames-2")
    assert {benchmark.tokens[system.name] for system in systems} == {31, 32}
    assert systems[-1].name == "frames-2"
    assert "31 to 32 tokens" in choice
    # Nobody else costs 128 tokens: then the contenders are shown, and that budgets differ is said.
    systems, choice = shown_systems(benchmark, baseline="frames-8")
    assert len(systems) == MAX_SYSTEMS
    assert not any(system.control for system in systems)
    assert "budgets differ" in choice
    assert math.isfinite(benchmark.tokens["frames-8"])
