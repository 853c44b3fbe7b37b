"""Build the leaderboard: pages, data and badges, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.leaderboard.badge import badge
from reports.leaderboard.boards import Board, BoardEntry, make_boards
from reports.leaderboard.charts import family_classes, scatter, strip
from reports.leaderboard.data_files import as_json, as_script, leaderboard_json, pairs_csv, scores_csv
from reports.leaderboard.left_out import LeftOut
from reports.leaderboard.overview import overview
from reports.leaderboard.samples import samples_link, strip_of, write_samples
from reports.leaderboard.sources import BoardSource, load_source, source_name
from reports.leaderboard.views import (
    against,
    board_view,
    commands,
    confidence_text,
    how_to_install,
    json_text,
    notes,
    pairs_view,
    score_view,
    session_facts,
)
from reports.submission.text import visible
from reports.tables.best_systems import ALPHA
from reports.text.wording import (
    MISSING,
    corrected_p_text,
    count_text,
    difference_text,
    limit_text,
    score_text,
    title_text,
    tokens_text,
)
from vtok_eval.errors import RunFolderError, SubmissionError
from vtok_eval.results.columns.job_columns import SampleSets
from vtok_eval.results.records import Comparison, Metric
from vtok_eval.results.statistics.pairs import TEST, Pair
from vtok_eval.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

TITLE = "vtok-eval leaderboard"
MARKER = ".vtok-eval-site"
"""A file in every site; a folder without it is never replaced."""

MAX_DETAIL_SYSTEMS = 40
"""More systems than this and the table of every measure is left to the CSV."""

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class SitePaths:
    """Where the site is. left_out: runs that could not be read or were refused; the site names them too."""

    folder: Path
    index: Path
    left_out: tuple[LeftOut, ...] = ()


def build_site(runs: Sequence[Path], out: Path) -> SitePaths:
    """Build the site of these runs at `out`, which must be new, empty, or a site built before.

    runs: run folders, which are trusted, and submissions, which are verified first; a run that cannot be
    read, has no scores yet or is refused is left out, and the site says so. The new site takes the old one's
    place only when it is complete. Equal runs give equal files.

    Raises:
        RunFolderError: no run is left to show, two runs have one name, `out` holds something else, or it
            cannot be written.
    """
    out = Path(out)
    _check_names(runs)
    _check_replaceable(out)
    sources, left_out = _load(runs)
    boards = make_boards(sources)
    if not boards:
        reasons = "; ".join(f"{entry.path}: {entry.reason}" for entry in left_out) or "no run has any score"
        raise RunFolderError(f"there is no run to show: {reasons}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".unfinished"))
        try:
            unfinished.chmod(0o755)
            _write(unfinished, sources, boards, left_out)
            _replace(out, unfinished)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise RunFolderError(f"cannot write the site {out}: {error.strerror or error}") from error
    return SitePaths(folder=out, index=out / "index.html", left_out=tuple(left_out))


def _check_names(runs: Sequence[Path]) -> None:
    if not runs:
        raise RunFolderError("a leaderboard needs at least one run")
    by_name: dict[str, Path] = {}
    for run in runs:
        name = source_name(run)
        if name in by_name:
            raise RunFolderError(
                f"two runs are called {name!r}: {by_name[name]} and {run}; rename one of them or leave it out"
            )
        by_name[name] = run


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise RunFolderError(f"{out} is a file; a site needs a folder")
    if not (out / MARKER).exists() and any(out.iterdir()):
        raise RunFolderError(f"{out} is not empty and does not hold a leaderboard; name another folder")


def _load(runs: Sequence[Path]) -> tuple[list[BoardSource], list[LeftOut]]:
    from tqdm import tqdm

    sets = SampleSets()
    sources, left_out = [], []
    for run in tqdm(runs, desc="runs", unit="run", leave=False):
        try:
            sources.append(load_source(run, sets))
        except (RunFolderError, SubmissionError) as error:
            left_out.append(LeftOut(path=Path(run), reason=str(error)))
    return sources, left_out


def _replace(out: Path, new: Path) -> None:
    """Put the new site in the old one's place; a crash in between leaves the old one next to it."""
    if not out.exists():
        os.replace(new, out)
        return
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".old"))
    os.replace(out, old / "site")
    try:
        os.replace(new, out)
    except OSError:
        os.replace(old / "site", out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _write(
    folder: Path, sources: Sequence[BoardSource], boards: Sequence[Board], left_out: Sequence[LeftOut]
) -> None:
    for name in ("data", "benchmarks", "systems", "badges", "strips"):
        (folder / name).mkdir()
    for name in ("site.css", "site.js", "theme.js"):
        shutil.copyfile(HERE / "static" / name, folder / name)
    (folder / MARKER).write_text("made by vtok-eval leaderboard; replaced as a whole\n", encoding="utf-8")
    pages = _Pages(folder, boards, left_out, samples=write_samples(folder, sources))
    for board in boards:
        _write_board_data(folder, board, pages.views[board.key], pages.links(board))
        pages.benchmark(board)
    _write_text(folder / "data" / "leaderboard.json", as_json(leaderboard_json(boards)) + "\n")
    _write_text(folder / "data" / "scores.csv", scores_csv(boards))
    pages.systems(sources)
    pages.render("index.html", "index.html", page="index", overview=overview(boards, pages.families))
    pages.render("ranking.html", "ranking.html", page="ranking", board=pages.views[boards[0].key])
    pages.render("compare.html", "compare.html", page="compare", test=TEST)
    pages.render("about.html", "about.html", page="about", test=TEST, alpha=f"{ALPHA:g}")


def _write_board_data(folder: Path, board: Board, view: Mapping[str, Any], links: Mapping[str, str]) -> None:
    data = folder / "data"
    pairs = pairs_view(board, links)
    _write_text(data / f"board-{board.key}.json", as_json(view) + "\n")
    _write_text(data / f"board-{board.key}.js", as_script("board", view))
    _write_text(data / f"pairs-{board.key}.json", as_json(pairs) + "\n")
    _write_text(data / f"pairs-{board.key}.js", as_script("pairs", pairs))
    _write_text(data / f"pairs-{board.key}.csv", pairs_csv(board))
    (folder / "badges" / board.key).mkdir()
    for entry in board.entries:
        _write_text(folder / "badges" / board.key / f"{entry.key}.svg", badge(board, entry))


class _Pages:
    """Renders the pages; holds what all of them share."""

    def __init__(
        self,
        folder: Path,
        boards: Sequence[Board],
        left_out: Sequence[LeftOut],
        *,
        samples: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.boards = boards
        self.families = family_classes(boards)
        self.views = {board.key: board_view(board, self.families) for board in boards}
        self.samples = samples
        self.environment = _environment()
        self.left_out = [
            # The runs' paths on the machine that built the site are private.
            {
                "name": visible(entry.path.name),
                "reason": visible(entry.reason.replace(str(entry.path), entry.path.name))[:600],
            }
            for entry in left_out
        ]
        self.listed = [_listed(board, boards) for board in boards]

    def render(self, template: str, path: str, **values: object) -> None:
        """Write one page."""
        shared = {
            "site_title": TITLE,
            "version": __version__,
            "root": "../" * path.count("/"),
            "page": "",
            "boards": self.listed,
            "views": self.views,
            "left_out": self.left_out,
        }
        _write_text(self.folder / path, self.environment.get_template(template).render(shared | values))

    def links(self, board: Board) -> dict[str, str]:
        """By a system's key, the page of its samples on a board; no key where there is none."""
        found = {entry.key: samples_link(board, entry, self.samples) for entry in board.entries}
        return {key: link for key, link in found.items() if link}

    def strips(self, found: Sequence[tuple[Board, BoardEntry]]) -> list[dict[str, str]]:
        """What a system decodes on each board, as pictures, written next to the pages."""
        shown = []
        for board, entry in found:
            strip = strip_of(board, entry)
            if strip is not None:
                path = f"strips/{board.key}--{entry.key}.webp"
                (self.folder / path).write_bytes(strip[0])
                shown.append({"path": path, "alt": strip[1], "title": board.title, "name": entry.name})
        return shown

    def benchmark(self, board: Board) -> None:
        """The page of a board."""
        drawn = [
            found for metric in board.headline if (found := scatter(board, metric, self.families)) is not None
        ]
        self.render(
            "benchmark.html",
            f"benchmarks/{board.key}.html",
            board=self.views[board.key],
            confidence=confidence_text(board),
            notes=notes(board.benchmark.description),
            scatters=drawn,
            links=self.links(board),
            strips=self.strips([(board, entry) for entry in board.entries]),
            details=_details(board, self.views[board.key]),
            options=json_text(board.benchmark.options),
            description=json_text(board.benchmark.description),
        )

    def systems(self, sources: Sequence[BoardSource]) -> None:
        """A page for each system of each run."""
        by_key: dict[str, list[tuple[Board, BoardEntry]]] = {}
        for board in self.boards:
            for entry in board.entries:
                by_key.setdefault(entry.key, []).append((board, entry))
        for found in by_key.values():
            self._system([(board, entry) for board, entry in found])

    def _system(self, found: Sequence[tuple[Board, BoardEntry]]) -> None:
        entry = found[0][1]
        source, system = entry.source, entry.system
        sessions = source.run.document.sessions
        self.render(
            "system.html",
            f"systems/{entry.key}.html",
            system=system,
            caveats=entry.caveats,
            run=source.run.document,
            source_name=visible(source.run.name),
            reasons=list(dict.fromkeys(reason for _, each in found for reason in each.reasons)),
            manifest=source.manifest,
            sha256=source.sha256,
            boards=[
                {
                    **_on_board(self.views[board.key], board, each),
                    "samples": samples_link(board, each, self.samples),
                }
                for board, each in found
            ],
            family=self.families[entry.key],
            decoded=self.strips(found),
            commands=commands(sessions),
            install=how_to_install(sessions[-1]) if sessions else "",
            dirty=any(session.git is not None and session.git.dirty for session in sessions),
            sessions=[session_facts(session) for session in sessions],
            description=json_text(system.description),
        )


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # as_json escapes <, > and &: its output cannot end the script element that contains it.
    environment.filters["as_json"] = lambda content: Markup(as_json(content))
    return environment


def _listed(board: Board, boards: Sequence[Board]) -> dict[str, Any]:
    """A board in lists; its variant distinguishes it from others with the same title."""
    alike = Counter((other.benchmark.name, other.setting) for other in boards)
    parts = [board.setting or "no setting"]
    if board.limit is not None:
        parts.append(f"limited to {limit_text(board.limit)}")
    if alike[board.benchmark.name, board.setting] > 1:
        parts.append(f"{board.n_samples or 0:,} samples")
        parts.append(board.key[-6:])
    return {
        "id": board.key,
        "title": board.title,
        "setting": board.setting or "no setting recorded",
        "variant": ", ".join(parts),
        "limit": None if board.limit is None else limit_text(board.limit),
        "systems": len(board.entries),
        "samples": board.n_samples,
    }


def _details(board: Board, view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Measures that the ranking does not show, by row; none where there are too many systems for a table."""
    if len(board.entries) > MAX_DETAIL_SYSTEMS:
        return []
    entries = {entry.key: entry for entry in board.entries}
    ordered = [entries[row["id"]] for row in view["rows"]]
    return [
        {
            "title": title_text(metric),
            "group": metric.group,
            "silent": metric.name in board.silent,
            "cells": [score_text(entry.scores.get(metric.name)) for entry in ordered],
        }
        for metric in board.metrics
        if metric not in board.headline
    ]


def _on_board(view: Mapping[str, Any], board: Board, entry: BoardEntry) -> dict[str, Any]:
    """What a system's page shows from one board."""
    baseline = entry.source.run.document.baseline
    compared = against(board, entry, baseline)
    metric = board.headline[0]
    first = score_view(board, entry, metric)
    return {
        "board": view,
        "key": entry.key,
        "confidence": confidence_text(board),
        "tokens": "" if entry.tokens is None else tokens_text(entry.tokens),
        "baseline": baseline if compared else "",
        "badge": f"{metric.title} {first['text']}, rank {first['rank_text']}",
        "lines": [
            {
                "title": title_text(each),
                "headline": each in board.headline,
                "text": score_text(entry.scores[each.name]),
                "rank": score_view(board, entry, each)["rank_text"],
                "n": count_text([entry.scores[each.name]]),
                "difference": _difference(compared.get(each.name), entry, each),
            }
            for each in board.metrics
            if each.name in entry.scores
        ],
        "strips": [drawn for each in board.headline if (drawn := strip(board, entry, each)) is not None],
    }


def _difference(pair: Pair | None, entry: BoardEntry, metric: Metric) -> str:
    """The entry minus the other system of the pair, as text."""
    if pair is None:
        return MISSING
    sign = 1.0 if pair.a == entry.key else -1.0
    ends = [None if end is None else sign * end for end in (pair.low, pair.high)]
    low, high = ends if sign > 0 else ends[::-1]
    comparison = Comparison(
        benchmark="",
        metric=metric.name,
        system=pair.a,
        baseline=pair.b,
        difference=sign * pair.difference,
        low=low,
        high=high,
        p=pair.p,
        p_corrected=pair.p_corrected,
        n_clusters=pair.n_clusters,
        no_test=pair.no_test,
    )
    return f"{difference_text(comparison, metric)}, {corrected_p_text(comparison)}"


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
