"""What tests in a browser share: where Chromium is, how it is started, and what every page must satisfy."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium"),
]
"""Marks of a module whose tests use the fixture `browser`."""
SCREENS = ((1280, "light"), (390, "dark"), (1280, "dark"), (390, "light"))
"""Widths and colour schemes in which pages are looked at."""

OVERLAPS = """
() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const shown = text => text.textContent.trim() && text.getClientRects().length;
    const texts = [...svg.querySelectorAll("text")].filter(shown);
    const boxes = texts.map(text => text.getBoundingClientRect());
    const frame = svg.getBoundingClientRect();
    for (let i = 0; i < boxes.length; i++) {
      const a = boxes[i];
      if (a.left < frame.left - 2 || a.right > frame.right + 2)
        found.push("beyond the picture: " + texts[i].textContent);
      for (let j = i + 1; j < boxes.length; j++) {
        const b = boxes[j];
        // Boxes hold room for accents and descenders, which letters rarely fill: spare a quarter of a line.
        const spare = 0.25 * Math.min(a.height, b.height);
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > spare) found.push(texts[i].textContent + " | " + texts[j].textContent);
      }
    }
  }
  return found;
}
"""
"""Pairs of texts in pictures that cover each other, and texts that stick out of their picture."""


def faults(page: Any) -> list[str]:
    """What is wrong with an open page: broken rules of axe, overflow, labels on labels."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    violations = axe.run(page).response["violations"]
    found = [f"axe {rule['id']} ({rule['impact']}): {rule['nodes'][0]['html']}" for rule in violations]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"wider than {page.viewport_size['width']} px")
    return found + list(page.evaluate(OVERLAPS))
