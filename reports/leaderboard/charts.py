"""Geometry of the site's pictures; the templates draw them as inline SVG, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.families import color_key
from reports.leaderboard.boards import Board, BoardEntry
from reports.text.wording import score_text, shown, title_text, tokens_text
from vtok_eval.results.records import Metric

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 44
STRIP_WIDTH, STRIP_HEIGHT = 560, 34
MAX_LISTED = 40
"""Systems that a picture's alternative text lists; the table has all of them."""
N_OTHERS = 4
"""Colours for families other than VTok and frame sampling."""


def family_classes(boards: Sequence[Board]) -> Mapping[str, str]:
    """By an entry's key, the class that colours it: "vtok", "frames", "other-0", ..., or "control"."""
    entries = [entry for board in boards for entry in board.entries]
    others = list(dict.fromkeys(name for entry in entries if (name := _other(entry))))
    return {entry.key: _class_of(entry, others) for entry in entries}


def _other(entry: BoardEntry) -> str:
    name = color_key(entry.system)
    return "" if entry.control or name in {"vtok", "frames"} else name


def _class_of(entry: BoardEntry, others: Sequence[str]) -> str:
    name = color_key(entry.system)
    if name in {"vtok", "frames"}:
        return name
    return "control" if entry.control else f"other-{others.index(name) % N_OTHERS}"


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A system in a picture; low and high: ends of its interval in pixels, or None. family: its colour."""

    key: str
    name: str
    text: str
    control: bool
    family: str
    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Label:
    """A name next to a dot; x and y: where its text begins, on its baseline."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """Scores of a metric against tokens per clip, in pixels. chance: None where there is no such line.

    labels: the names that have room.
    """

    title: str
    alt: str
    dots: tuple[Dot, ...]
    labels: tuple[Label, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    chance: float | None


@dataclass(frozen=True)
class Strip:
    """One system's score of a metric among the board's others, on a line. others: an SVG path of ticks."""

    title: str
    alt: str
    text: str
    others: str
    at: float | None
    low: float | None
    high: float | None
    ends: tuple[str, str]


def scatter(board: Board, metric: Metric, families: Mapping[str, str]) -> Scatter | None:
    """The picture, coloured by `family_classes`; None where fewer than two systems have value and tokens."""
    points = [
        (entry, entry.tokens, entry.scores[metric.name])
        for entry in board.entries
        if entry.tokens is not None
        and metric.name in entry.scores
        and entry.scores[metric.name].value is not None
    ]
    if len(points) < 2:
        return None
    bottom, top = board.spans[metric.name]
    counts = [tokens for _, tokens, _ in points if tokens > 0] or [1.0]
    has_zero = any(tokens <= 0 for _, tokens, _ in points)
    # A logarithmic axis has no 0: systems without tokens are drawn one step left of the least.
    zero = math.log2(min(counts)) - 1
    left = (zero if has_zero else zero + 1) - 0.4
    right = math.log2(max(counts)) + 0.4

    def across(tokens: float) -> float:
        share = ((math.log2(tokens) if tokens > 0 else zero) - left) / (right - left)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def up(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM), 1)

    dots = tuple(
        Dot(
            key=entry.key,
            name=entry.name,
            text=f"{entry.title}: {score_text(score)} at {tokens_text(tokens)} tokens",
            control=entry.control,
            family=families[entry.key],
            x=across(tokens),
            y=up(shown(score.value or 0.0, metric)),
            low=None if score.low is None else up(shown(score.low, metric)),
            high=None if score.high is None else up(shown(score.high, metric)),
        )
        for entry, tokens, score in sorted(points, key=lambda point: point[1])
    )
    powers = range(math.ceil(math.log2(min(counts)) - 0.4), math.floor(right) + 1)
    step = max(1, len(powers) // 8)
    ticks = [Tick(across(2.0**power), f"{2.0**power:,.0f}") for power in list(powers)[::step]]
    listed = "; ".join(dot.text for dot in dots[:MAX_LISTED])
    more = f"; and {len(dots) - MAX_LISTED} more" if len(dots) > MAX_LISTED else ""
    return Scatter(
        title=title_text(metric),
        alt=f"{title_text(metric)} against tokens per clip. {listed}{more}.",
        dots=dots,
        labels=tuple(_labels(dots)),
        x_ticks=(*([Tick(across(0), "0")] if has_zero else []), *ticks),
        y_ticks=tuple(Tick(up(value), f"{value:g}") for value in _round_values(bottom, top)),
        chance=None if metric.chance is None else up(shown(metric.chance, metric)),
    )


def _labels(dots: Sequence[Dot]) -> Iterator[Label]:
    """Names next to their dots, where they cover no other name, dot or interval."""
    taken = [(dot.x - 6, dot.y - 6, dot.x + 6, dot.y + 6) for dot in dots]
    taken += [(d.x - 1, d.high, d.x + 1, d.low) for d in dots if d.low is not None and d.high is not None]
    for dot in dots:
        text = dot.name if len(dot.name) <= 20 else f"{dot.name[:19]}…"
        width = 6.8 * len(text)
        sides = [(dot.x + 8, 4), (dot.x - 8 - width, 4)]
        sides += [
            (x, y) for y in (-8, 16, -18, 26) for x in (dot.x + 5, dot.x - 5 - width, dot.x - width / 2)
        ]
        for x, down in sides:
            box = (x, dot.y + down - 9, x + width, dot.y + down + 2)
            inside = (
                box[0] >= LEFT and box[2] <= WIDTH - 4 and box[1] >= TOP - 8 and box[3] <= HEIGHT - BOTTOM
            )
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                yield Label(x=round(x, 1), y=round(dot.y + down, 1), text=text)
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def strip(board: Board, entry: BoardEntry, metric: Metric) -> Strip | None:
    """The picture; None where the system has no value."""
    score = entry.scores.get(metric.name)
    if score is None or score.value is None:
        return None
    scores = [found for other in board.entries if (found := other.scores.get(metric.name)) is not None]
    bottom, top = board.spans[metric.name]

    def across(value: float) -> float:
        share = min(1.0, max(0.0, (shown(value, metric) - bottom) / (top - bottom)))
        return round(8 + share * (STRIP_WIDTH - 16), 1)

    places = sorted({across(found.value) for found in scores if found.value is not None})
    better = {True: "higher is better", False: "lower is better", None: "neither end is better"}
    return Strip(
        title=title_text(metric),
        alt=f"{title_text(metric)}: {score_text(score)}, among {len(scores)} systems; "
        f"{better[metric.higher_is_better]}.",
        text=score_text(score),
        others="".join(f"M{place:g} 9v8" for place in places),
        at=across(score.value),
        low=None if score.low is None else across(score.low),
        high=None if score.high is None else across(score.high),
        ends=(f"{bottom:.4g}", f"{top:.4g}"),
    )


def _round_values(low: float, high: float) -> list[float]:
    """Four to nine round numbers between two ends."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    for factor in (1, 2, 5, 10):
        count = math.floor(high / (factor * step)) - math.ceil(low / (factor * step)) + 1
        if count <= 9:
            step *= factor
            break
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
