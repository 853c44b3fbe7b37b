"""A run's page in a real browser: nothing overflows or overlaps, on a screen and on a phone."""

from __future__ import annotations

import pytest

from tests.browser import IN_A_BROWSER, SCREENS, faults

pytestmark = IN_A_BROWSER
LEAST_LETTER = 8.5
"""Pixels that the smallest letter of a picture needs to be read on a phone."""


LETTERS = """
[...document.querySelectorAll("svg.plot")].filter(svg => svg.getClientRects().length).map(svg => {
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const size = text => scale * parseFloat(getComputedStyle(text).fontSize);
  return Math.min(...[...svg.querySelectorAll("text")].map(size));
})
"""
"""Pixels of the smallest letters of each picture that is shown."""


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_has_no_faults(browser, written, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: troubles.append(request.url))
    page.goto(written.html.as_uri())
    troubles.remove(written.html.as_uri())
    assert page.locator(".answer").first.bounding_box()["y"] < 900  # the answer needs no scrolling
    page.evaluate("document.querySelectorAll('details.part').forEach(part => part.open = true)")
    assert faults(page) == []
    letters = page.evaluate(LETTERS)
    assert len(letters) == 6
    assert min(letters) >= LEAST_LETTER
    paper = page.evaluate("getComputedStyle(document.querySelector('svg.plot path')).fill")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 25, 29)"}[scheme]
    assert troubles == []
    page.close()
