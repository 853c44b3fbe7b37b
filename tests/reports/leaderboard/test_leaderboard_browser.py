"""The site in a real browser: sorting, filters, permalinks, comparison, themes, accessibility, attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.leaderboard.site import build_site
from reports.submission.pack import submit
from tests.browser import IN_A_BROWSER, SCREENS, faults
from tests.reports.leaderboard.hostile_runs import PAYLOAD, write_hostile_run, write_hostile_submission
from tests.reports.leaderboard.small_runs import write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

UNWRAP = str.maketrans("", "", "[],")
pytestmark = IN_A_BROWSER


class Visit:
    """A page of a site, with everything it complained about or asked for elsewhere."""

    def __init__(self, page: Any, site: Path) -> None:
        self.page = page
        self.site = site
        self.troubles: list[str] = []
        page.on("console", lambda message: self.troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.troubles.append("dialog"), dialog.dismiss()))
        page.on("request", self._look_at)

    def _look_at(self, request: Any) -> None:
        if not request.url.startswith(self.site.as_uri()):
            self.troubles.append(f"request: {request.url}")

    def open(self, path: str) -> Any:
        self.page.goto(f"{self.site.as_uri()}/{path}")
        return self.page

    def names(self) -> list[str]:
        return self.page.locator("#ranking-table tbody th a").all_inner_texts()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    own = write_run(folder / "own")
    paper = write_run(
        folder / "paper",
        setting="paper",
        label="the paper's setting, made up",
        names=("good", "fair"),
        seed=1,
    )
    packed = submit(write_run(folder / "theirs", draw=5).path, links=[("a page", "https://example.org")])
    return build_site([own.path, paper.path, packed], folder / "site").folder


@pytest.fixture
def visit(browser: Any, site: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    found = Visit(context.new_page(), site)
    yield found
    context.close()
    assert found.troubles == []


def pages_of(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


def test_the_table_without_scripts_is_the_one_with(browser, site, visit):
    context = browser.new_context(java_script_enabled=False)
    plain = Visit(context.new_page(), site)
    plain.open("ranking.html")
    visit.open("ranking.html")
    assert plain.names() == visit.names()
    assert len(visit.names()) == 8
    assert not plain.page.locator(".controls").is_visible()
    context.close()


def test_sorting_by_a_column_and_back(visit):
    page = visit.open("ranking.html")
    first = visit.names()
    page.get_by_role("button", name="Tokens per clip").click()
    tokens = [int(text) for text in page.locator("#ranking-table tbody td:nth-child(4)").all_inner_texts()]
    assert tokens == sorted(tokens)
    assert tokens[0] < tokens[-1]
    header = page.locator("#ranking-table thead th", has_text="Tokens")
    assert header.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")  # the button keeps the focus
    assert header.get_attribute("aria-sort") == "descending"
    tokens = [int(text) for text in page.locator("#ranking-table tbody td:nth-child(4)").all_inner_texts()]
    assert tokens == sorted(tokens, reverse=True)
    page.get_by_role("button", name="Rank").click()
    assert visit.names() == first


def test_filters_and_the_permalink_that_brings_them_back(visit, browser, site):
    page = visit.open("ranking.html")
    page.get_by_label("Token budget").select_option("max:8")
    assert {name.split()[0] for name in visit.names()} == {"like-fair", "blind"}
    page.get_by_label("Controls").uncheck()
    assert {name.split()[0] for name in visit.names()} == {"like-fair"}
    page.get_by_label("Name").fill("theirs")
    assert visit.names() == ["like-fair (theirs)"]
    assert page.locator("#status").inner_text() == "1 of 8 systems shown"
    link = page.get_by_role("link", name="Link to this view").get_attribute("href")
    context = browser.new_context()
    other = Visit(context.new_page(), site)
    other.open(f"ranking.html{link}")
    assert other.names() == ["like-fair (theirs)"]
    assert other.page.get_by_label("Name").input_value() == "theirs"
    assert not other.page.get_by_label("Controls").is_checked()
    assert other.troubles == []
    context.close()


def test_an_equal_budget_is_ten_percent_either_way(visit):
    page = visit.open("ranking.html")
    option = page.get_by_label("Token budget").locator("option", has_text="equal to fair (own)")
    page.get_by_label("Token budget").select_option(option.get_attribute("value"))
    assert {name.split()[0] for name in visit.names()} == {"good", "fair"}  # 31 and 32 tokens


def test_benchmark_and_setting_choose_the_table_and_its_label(visit):
    page = visit.open("ranking.html")
    assert "made up: not the paper's setting" in page.locator("#board-label").inner_text()
    option = page.get_by_label("Setting").locator("option", has_text="paper")
    page.get_by_label("Setting").select_option(option.get_attribute("value"))
    sync_api.expect(page.locator("#ranking-table tbody tr")).to_have_count(2)
    assert "the paper's setting, made up" in page.locator("#board-label").inner_text()
    page.locator("#pick-benchmark").select_option("vbench")
    sync_api.expect(page.locator("#ranking-title")).to_have_text("vbench")
    assert any(name.startswith("clips") for name in visit.names())
    page.reload()
    sync_api.expect(page.locator("#ranking-title")).to_have_text("vbench")


def test_two_systems_side_by_side_with_the_paired_test(visit):
    page = visit.open("ranking.html")
    page.get_by_role("link", name="Compare two systems").click()
    page.wait_for_selector("#compare-table tbody tr")
    page.get_by_label("System A").select_option(label="good (own)")
    page.get_by_label("System B").select_option(label="fair (own)")
    row = page.locator("#compare-table tbody tr").first.inner_text()
    assert "good (own) is better" in row
    assert "+" in row
    page.get_by_label("System A").select_option(label="fair (own)")
    page.get_by_label("System B").select_option(label="good (own)")
    turned = page.locator("#compare-table tbody tr").first.inner_text()
    assert "good (own) is better" in turned
    assert "−" in turned
    page.get_by_label("System B").select_option(label="like-fair (own)")
    assert "no difference shown" in page.locator("#compare-table tbody tr").first.inner_text()
    page.get_by_label("System B").select_option(label="fair (own)")
    assert page.locator("#status").inner_text() == "Choose two different systems."
    page.get_by_label("System B").select_option(label="good (own)")
    page.reload()
    page.wait_for_selector("#compare-table tbody tr")
    assert "good (own) is better" in page.locator("#compare-table tbody tr").first.inner_text()


def test_the_comparison_shows_what_the_data_says(visit, site):
    import csv

    path = next((site / "data").glob("pairs-quiz-embedded*.csv"))
    (row,) = [
        row
        for row in csv.DictReader(path.open())
        if (row["a"], row["b"], row["metric"]) == ("own--good", "own--fair", "both")
    ]
    board = path.stem.removeprefix("pairs-")
    page = visit.open(f"compare.html#board={board}&a=own--good&b=own--fair")
    page.wait_for_selector("#compare-table tbody tr")
    cells = page.locator("#compare-table tbody tr").first.locator("td").all_inner_texts()
    shown = [float(text) for text in cells[2].replace("−", "-").translate(UNWRAP).split()[:3]]
    expected = [100 * float(row[key]) for key in ("difference", "low", "high")]
    assert shown == pytest.approx(expected, abs=0.0501)  # one decimal
    assert cells[2].endswith("points")
    assert cells[4] == row["n"]


def test_the_theme_follows_the_system_until_one_is_chosen(browser, site):
    background = "getComputedStyle(document.body).backgroundColor"
    for scheme, other in (("light", "dark"), ("dark", "light")):
        context = browser.new_context(color_scheme=scheme)
        found = Visit(context.new_page(), site)
        page = found.open("index.html")
        before = page.evaluate(background)
        page.get_by_role("button", name=f"{other.capitalize()} theme").click()
        after = page.evaluate(background)
        assert before != after
        found.open("about.html")
        assert page.evaluate(background) == after
        assert found.troubles == []
        context.close()


def test_the_keyboard_reaches_everything_and_the_skip_link_works(visit):
    page = visit.open("ranking.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    for needed in (
        "pick-benchmark",
        "pick-metric",
        "pick-budget",
        "pick-text",
        "permalink",
        "Rank",
        "System",
    ):
        assert needed in reached


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_no_page_has_faults(browser, site, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    pages = ["index.html", "ranking.html", "compare.html", *_one_of_each(site)]
    found = []
    for path in [*pages, "about.html"]:
        page.goto(f"{site.as_uri()}/{path}")
        page.wait_for_load_state()
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        found += [(path, fault) for fault in faults(page)]
    context.close()
    assert found == []


def _one_of_each(site: Path) -> list[str]:
    quiz = next(path for path in pages_of(site) if path.startswith("benchmarks/quiz-embedded"))
    theirs = next(path for path in pages_of(site) if path.startswith("systems/theirs--good"))
    return [quiz, theirs]


def test_no_attack_runs_and_nothing_is_fetched(browser, tmp_path):
    packed = write_hostile_submission(tmp_path)
    site = build_site([write_hostile_run(tmp_path / "own").path, packed], tmp_path / "site").folder
    context = browser.new_context()
    found = Visit(context.new_page(), site)
    board = next((site / "benchmarks").iterdir()).stem
    attacks = [f"ranking.html#board={PAYLOAD}&metric={PAYLOAD}&sort={PAYLOAD}&q={PAYLOAD}&budget={PAYLOAD}"]
    attacks += [f"compare.html#board={board}", f"compare.html#board=../../x&a={PAYLOAD}&b={PAYLOAD}"]
    for path in (*pages_of(site), *attacks):
        page = found.open("about.html")
        page = found.open(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img[src='x']").count() == 0
    page = found.open(f"compare.html#board={board}")
    page.wait_for_selector("#compare-table thead th")
    assert "<script>window.pwned=1</script>" in page.locator("#compare-table thead").inner_text()
    page.set_viewport_size({"width": 390, "height": 800})
    for path in pages_of(site):
        found.open(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()
    assert found.troubles == []


def test_the_overview_ranks_every_system_and_names_ties(visit):
    page = visit.open("index.html")
    rows = page.locator("#overview-table tbody tr").all_inner_texts()
    assert len(rows) == 13
    assert any("good (own)" in row and "not measured" in row for row in rows)
    assert "the tests show no difference between them" in page.locator(".cards").inner_text()
    link = page.locator("#overview-table thead a").first
    address = link.get_attribute("href")
    link.click()
    page.wait_for_selector("#ranking-table tbody tr")
    assert "not told apart from" in page.locator("#ranking-table tbody").inner_text()
    visit.open(address.replace("ranking.html", "index.html"))  # as earlier versions wrote it
    page.wait_for_selector("#ranking-table tbody tr")


def test_the_comparison_is_drawn_and_leads_to_its_samples(visit, site):
    page = visit.open("compare.html")
    page.wait_for_selector("#compare-forest svg")
    page.get_by_label("System A").select_option(label="good (own)")
    page.get_by_label("System B").select_option(label="fair (own)")
    zero = page.locator("#compare-forest .zero").bounding_box()["x"]
    assert page.locator("#compare-forest circle.dot").first.bounding_box()["x"] > zero  # A is better
    page.get_by_role("link", name="good (own) gets right and fair (own) wrong").click()
    page.wait_for_selector(".row")
    chosen = [page.input_value(f"#{name}") for name in ("a", "b", "show")]
    assert chosen == ["good", "fair", "ab"]


def test_every_page_opens_in_silence(visit, site):
    check: Callable[[str], Any] = visit.open
    for path in pages_of(site):
        check(path).wait_for_load_state("networkidle")
