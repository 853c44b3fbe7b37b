"""A badge: one small SVG with a system's score and rank on a board, and the board's setting."""

from __future__ import annotations

from markupsafe import escape

from reports.leaderboard.boards import Board, BoardEntry
from reports.leaderboard.views import score_view
from reports.text.wording import unit_text

_CHARACTER = 6.6
"""Pixels, at font size 11, of a wide letter; textLength makes every renderer keep to it."""

_PADDING = 8
_HEIGHT = 20
_MAX_TEXT = 60


def badge(board: Board, entry: BoardEntry) -> str:
    """The badge of a system for the board's first metric; its title says everything in full."""
    metric = board.headline[0]
    view = score_view(board, entry, metric)
    unit = unit_text(metric)
    score = f"{metric.title} {view['text']}{f' {unit}' if unit else ''}"
    place = f", rank {view['rank_text']} of {len(board.contenders())}" if view["rank"] else ", not ranked"
    left = _cut(f"vtok-eval {board.benchmark.name}")
    right = _cut(f"{score}{place}")
    title = f"{entry.title} on {board.title}: {score} {view['interval']}{place}; {board.label}"
    return _draw(left, right, title)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _draw(left: str, right: str, title: str) -> str:
    first = round(len(left) * _CHARACTER) + 2 * _PADDING
    second = round(len(right) * _CHARACTER) + 2 * _PADDING
    width = first + second
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{_HEIGHT}" rx="3" fill="#24292f"/>'
        f'<path d="M{first} 0h{second - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{second - 3}z" fill="#0059b3"/>'
        f'<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{_PADDING}" y="14" textLength="{first - 2 * _PADDING}">{escape(left)}</text>'
        f'<text x="{first + _PADDING}" y="14" textLength="{second - 2 * _PADDING}">{escape(right)}</text>'
        f"</g></svg>\n"
    )
