"""The answer of a run: sentences that agree with the comparisons, first on the page and on the terminal."""

from __future__ import annotations

import re

from reports.run_report import gather
from reports.tables.terminal import summary, terminal
from reports.text.answer import MOST_SENTENCES, answer
from reports.write import write_report


def test_sentences_say_what_the_tests_show(finished_run):
    report = gather(finished_run.path)
    sentences = answer(report)
    assert 0 < len(sentences) <= MOST_SENTENCES
    (mean,) = (sentence for sentence in sentences if ", vtok-mean" in sentence)
    assert mean.startswith("At 31 tokens per clip, vtok-mean against frames-2 (32 tokens): ")
    for comparison in finished_run.comparisons():
        if comparison.system != "vtok-mean" or comparison.metric not in {"static", "temporal", "camera"}:
            continue
        found = re.search(rf"{comparison.metric.capitalize()} (better|worse) \(([+−][0-9.]+)", mean)
        significant = comparison.p_corrected is not None and comparison.p_corrected < 0.05
        assert (found is not None) == significant, comparison
        if found:
            assert float(found[2].replace("−", "-")) == round(100 * comparison.difference, 1)
            assert (found[1] == "better") == (comparison.difference > 0)


def test_the_terminal_gets_the_answer_in_a_dozen_lines(finished_run):
    report = gather(finished_run.path)
    text = summary(report)
    assert len(text.splitlines()) <= 14
    assert all(len(line) <= 100 for line in text.splitlines())
    assert answer(report)[0].split(":")[0] in " ".join(text.split())
    assert len(terminal(report).splitlines()) > 40


def test_where_nothing_is_compared_the_tables_are_the_answer(small_run):
    report = gather(small_run.path)
    assert answer(report) == ()
    assert summary(report) == terminal(report)


def test_the_page_begins_with_it(finished_run, tmp_path):
    html = write_report(finished_run.path, tmp_path).html.read_text(encoding="utf-8")
    first = html.index('class="answer"')
    assert first < html.index("Differences from frames-2 at its token budget") < html.index("<nav")
    assert html.index("<nav") < html.index('<details class="part">')
    assert len(html.encode()) < 2_000_000
