"""Vector pictures for pages: text stays text, points say what they are, dark screens get the dark theme."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from reports.plots.style import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

TIP = "tip:"
"""Begins the id of a point; what it says follows."""
DIGITS = 2
"""Decimals, in points of 1/72 inch, that coordinates keep."""
MOST_ENLARGED = 1.6
"""Pixels of a page that a point of a picture, 1/72 inch, takes at most: 4/3 is the picture's own size."""
FRAME_QUALITY = 82
"""Of WebP, for frames that a page holds; the picture's own files hold them unchanged."""
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
PNG_DATA = "data:image/png;base64,"

_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_REFERENCE = re.compile(r"#([\w.-]+)")
_ROUNDED = frozenset({"d", "x", "y", "width", "height", "transform"})


def name_point(artist: Artist, text: str) -> None:
    """Have an artist of one point say this where a pointer rests on it.

    Example:
        >>> from matplotlib.lines import Line2D
        >>> dot = Line2D([0], [2], marker="o", linestyle="none")
        >>> name_point(dot, "vtok: 2")
        >>> dot.get_gid()
        'tip:vtok: 2'
    """
    artist.set_gid(TIP + text)


# Any: what matplotlib takes of a marker's style.
def draw_points(axes: Axes, points: Sequence[tuple[float, float, str]], **style: Any) -> None:
    """Draw markers at x and y that say a text each; `label`, if given, is in the legend once.

    Each is an artist of its own: matplotlib leaves out points beyond the drawing, after which the texts of
    several could not be told apart.
    """
    label = style.pop("label", None)
    for number, (x, y, text) in enumerate(points):
        (dot,) = axes.plot([x], [y], linestyle="none", label=None if number else label, **style)
        name_point(dot, text)


def svg_file(content: bytes) -> bytes:
    """The SVG that matplotlib wrote, as a file: with tooltips, and in dark colours on dark screens."""
    root = _tidied(content)
    style = ElementTree.Element(f"{SVG}style")
    style.text = dark_rules("svg")
    root.append(style)
    return _text(root).encode()


def inline_svg(content: bytes, *, name: str, alt: str, narrow: bool = False) -> str:
    """The SVG that matplotlib wrote, as a part of a page that contains `dark_rules`.

    name: begins its ids, which are unique on the page if the name is. alt: what it shows, as text.
    narrow: for screens with room for a paper's column only.
    """
    root = _tidied(content)
    for part in list(root):
        if part.tag in {f"{SVG}title", f"{SVG}metadata"} or part.find(f"{SVG}style") is not None:
            root.remove(part)
    for element in root.iter():
        _prefix(element, f"{name}-")
        if element.get(LINK, "").startswith(PNG_DATA):
            element.set(LINK, _as_webp(element.get(LINK, "")))
    width = float(root.get("width", "0pt").removesuffix("pt"))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("style", f"max-width: {MOST_ENLARGED * width:.0f}px")
    root.set("class", "plot narrow" if narrow else "plot wide")
    root.set("role", "img")
    root.set("aria-label", alt)
    return _text(root)


def dark_rules(within: str) -> str:
    """Rules of CSS that show pictures drawn in the light theme in the dark one, on dark screens only.

    within: a CSS selector of the pictures.

    Example:
        >>> dark_rules("svg").splitlines()[1]
        'svg [style*="fill: #ffffff"] { fill: #16191d !important; }'
    """
    rules = "\n".join(
        f'{within} [style*="{what}: {light}"] {{ {what}: {dark} !important; }}'
        for light, dark in zip(_colors(LIGHT), _colors(DARK), strict=True)
        for what in ("fill", "stroke")
    )
    return f"@media screen and (prefers-color-scheme: dark) {{\n{rules}\n}}\n"


def _colors(theme: Theme) -> Iterator[str]:
    yield from (theme.background, theme.text, theme.faint, theme.vtok, theme.frames, *theme.others)


def _tidied(content: bytes) -> ElementTree.Element:
    """The picture with tooltips, without ids that nothing refers to, and with short numbers."""
    root = ElementTree.fromstring(content)
    used = {found for e in root.iter() for value in e.attrib.values() for found in _REFERENCE.findall(value)}
    for definitions in root.iter(f"{SVG}defs"):
        for shape in definitions.findall(f"{SVG}path"):
            # What uses a shape has the shape's style as well; rules of CSS reach no further than that.
            shape.attrib.pop("style", None)
    for element in list(root.iter()):
        identifier = element.get("id", "")
        if identifier.startswith(TIP):
            _add_tip(element, identifier.removeprefix(TIP))
        if identifier not in used:
            element.attrib.pop("id", None)
        for attribute in _ROUNDED & element.attrib.keys():
            element.set(attribute, _LONG_NUMBER.sub(_shorter, element.get(attribute, "")))
        if element.tag == f"{SVG}path" and "d" in element.attrib:
            element.set("d", " ".join(element.get("d", "").split()))
        if element.text is not None and not element.text.strip():
            element.text = None
        if element.tail is not None and not element.tail.strip():
            element.tail = None
    return root


def _add_tip(group: ElementTree.Element, text: str) -> None:
    for point in group.iter(f"{SVG}use"):  # none, if it is beyond the drawing
        ElementTree.SubElement(point, f"{SVG}title").text = text


def _shorter(number: re.Match[str]) -> str:
    return f"{float(number.group()):.{DIGITS}f}".rstrip("0").rstrip(".")


def _prefix(element: ElementTree.Element, prefix: str) -> None:
    """Begin an element's id, and what it refers to, with the prefix."""
    if "id" in element.attrib:
        element.set("id", prefix + element.get("id", ""))
    for attribute in (LINK, "clip-path"):
        value = element.get(attribute, "")
        if value.startswith(("#", "url(#")):
            element.set(attribute, value.replace("#", f"#{prefix}", 1))


def _as_webp(source: str) -> str:
    """A PNG within a page, as WebP where that is shorter."""
    from PIL import Image

    picture = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(source.removeprefix(PNG_DATA)))) as image:
        image.save(picture, "WEBP", quality=FRAME_QUALITY)
    made = f"data:image/webp;base64,{base64.b64encode(picture.getvalue()).decode()}"
    return min(made, source, key=len)


def _text(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", SVG.strip("{}"))
    ElementTree.register_namespace("xlink", LINK.strip("{").partition("}")[0])
    return ElementTree.tostring(root, encoding="unicode")
