"""docs/benchmarks.md says what the benchmarks' descriptions say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.understanding.questions.catalogue import find_description, shipped_names
from tools.benchmarks_page import render_page

PAGE = Path(__file__).parents[4] / "docs" / "benchmarks.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render_page(), (
        "run: python -m tools.benchmarks_page docs/benchmarks.md"
    )


def test_every_benchmark_has_its_section_with_what_a_user_needs():
    page = render_page()
    for name in shipped_names():
        description = find_description(name)
        section = page.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
        for what in (description.citation, description.url, description.source.repository):
            assert what in section


def test_the_one_written_out_is_a_valid_description(tmp_path):
    written_out = render_page().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "copy.yaml").write_text(written_out)
    assert find_description(str(tmp_path / "copy.yaml")) == find_description("tomato")
