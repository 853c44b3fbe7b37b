"""How `decode`'s clip differs from the encoded one: number of frames and their size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

OUTPUT = "decoded"
"""The key of a record's `outputs` that holds `ShapeChange.to_json`."""


@dataclass(frozen=True)
class ShapeChange:
    """One clip's frames, height and width in pixels: as given to `encode` and as `decode` gave them back.

    Example:
        >>> ShapeChange(given=(16, 60, 60), returned=(13, 56, 56)).text()
        '13 of 16 frames, 56 x 56 of 60 x 60 pixels'
        >>> ShapeChange(given=(16, 60, 60), returned=(16, 60, 60)).text()
        ''
    """

    given: tuple[int, int, int]
    returned: tuple[int, int, int]

    @classmethod
    def of_json(cls, content: object) -> ShapeChange | None:
        """The change whose JSON form is `content`; None where it is none."""
        if not isinstance(content, Mapping):
            return None
        shapes = [_shape(content.get(name)) for name in ("given", "returned")]
        return None if shapes[0] is None or shapes[1] is None else cls(shapes[0], shapes[1])

    def to_json(self) -> dict[str, list[int]]:
        """`{"given": [frames, height, width], "returned": [frames, height, width]}`."""
        return {"given": list(self.given), "returned": list(self.returned)}

    def text(self) -> str:
        """What differs, in words; empty where nothing does."""
        parts = []
        (n_given, *size), (n_returned, *returned_size) = self.given, self.returned
        if n_returned < n_given:
            parts.append(f"{n_returned} of {n_given} frames")
        elif n_returned > n_given:
            parts.append(f"{n_returned} frames for {n_given}")
        if size != returned_size:
            (height, width), (new_height, new_width) = size, returned_size
            parts.append(f"{new_height} x {new_width} of {height} x {width} pixels")
        return ", ".join(parts)


def changes_in_words(changes: Iterable[ShapeChange]) -> str:
    """What `decode` changed of many clips, the most frequent change first; empty where it changed none.

    Example:
        >>> kept, cut = (ShapeChange((16, 8, 8), (n, 8, 8)) for n in (16, 13))
        >>> changes_in_words([cut, cut, kept])
        '13 of 16 frames (2 of 3 clips)'
    """
    found = Counter(change.text() for change in changes)
    total = sum(found.values())
    changed = [(text, count) for text, count in found.most_common() if text]
    shown = [f"{text} ({_of_clips(count, total)})" for text, count in changed[:_SHOWN]]
    rest = sum(count for _, count in changed[_SHOWN:])
    return "; ".join([*shown, *([f"other changes ({_of_clips(rest, total)})"] if rest else [])])


_SHOWN = 3


def _of_clips(count: int, total: int) -> str:
    return f"all {total} clips" if count == total > 1 else f"{count} of {total} clips"


def _shape(value: object) -> tuple[int, int, int] | None:
    if not isinstance(value, Sequence) or len(value) != 3 or not all(isinstance(each, int) for each in value):
        return None
    frames, height, width = value
    return frames, height, width
