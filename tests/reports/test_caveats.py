"""Random weights, stand-ins and re-creations are marked in every table; no name becomes a formula."""

from __future__ import annotations

import csv
import io
import re

import pytest

from reports.run_report import gather
from reports.tables.csv_text import csv_text, safe_cell
from reports.tables.terminal import terminal
from reports.text.caveats import caveats
from reports.write import write_report
from tests.reports.made_up_run import SYSTEMS, add_job, finish, run_json, understanding_records
from vtok_eval.errors import RunFolderError
from vtok_eval.results.description import Caveat, Description
from vtok_eval.results.store import RunFolder


@pytest.mark.parametrize(
    ("description", "spec", "expected"),
    [
        ({"backbone": {"weights": "random weights (seed 0)"}}, "", ("random weights",)),
        ({"projection": "random weights"}, "", ("random weights",)),
        ({"parts": ["a", {"random_weights": True}]}, "", ("random weights",)),
        ({"random_weights": False, "weights": "ImageNet"}, "", ()),
        ({}, "vtok:backbone=open_clip:ViT-B-32:random=3", ("random weights",)),
        ({"random": None}, "vtok-llava:random=null,checkpoint=p", ()),
        ({"protocol": "TV-Align as re-created here, track show: clips are judged"}, "", ("re-creation",)),
        ({"weights": "pretrained; not random weights, and no stand-in was used"}, "", ()),
        ({"notes": ["random weights", "stand-in", "a re-creation"]}, "", ()),
    ],
)
def test_descriptions_of_the_previous_release_stated_caveats_in_fixed_forms(description, spec, expected):
    assert caveats(description, spec=spec) == expected


@pytest.mark.parametrize("words", ["random weights", "random weights (seed 0)", "a stand-in", "smoke test"])
def test_only_the_typed_field_is_read(words):
    prose = Description(
        notes=(words,),
        cost=(words,),
        options={"weights": words},
        facts={"weights": words, "projection": words},
    ).to_json()
    assert caveats(prose, spec="vtok:backbone=open_clip:ViT-B-32:random=3") == ()
    for caveat in Caveat:
        assert caveats({**prose, "caveats": [caveat.value]}) == (caveat.value,)


@pytest.mark.parametrize("stated", ["stand-in", [1], {"stand-in": True}])
def test_a_damaged_field_is_an_error_not_silence(stated):
    with pytest.raises(RunFolderError, match="caveats must be a list of texts"):
        caveats({"caveats": stated})


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Two systems of 40 clips: one with random weights, one named as a formula; a re-created benchmark."""
    path = tmp_path_factory.mktemp("marked") / "run"
    evil = "=cmd()"
    info = {
        **run_json()["benchmarks"][0],
        "description": Description(caveats=(Caveat.RE_CREATION,)).to_json(),
    }
    systems = [
        {"name": "untrained", "spec": "vtok:random=0", "control": False, "kind": "tokenizer",
         "description": {"caveats": ["random weights"], "weights": "of seed 0"}},
        {"name": evil, "spec": "frames-2", "control": False, "kind": "tokenizer", "description": {}},
    ]  # fmt: skip
    folder = RunFolder.create(path, run_json(systems=systems, benchmarks=[info], baseline=evil))
    for name, twin, tokens in (("untrained", "vtok-grid", 31), (evil, "frames-2", 64)):
        records = understanding_records(name, tokens=tokens, chances=SYSTEMS[twin][3], n_clips=40)
        add_job(folder, "understanding-scenes", name, records)
    finish(folder, baseline=evil)
    return folder, write_report(path)


def test_every_table_marks_random_weights_and_re_creations(marked):
    folder, paths = marked
    for path in (paths.markdown, paths.latex, paths.html):
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            named = "untrained" in line and ("|" in line or "&" in line or "<th" in line)
            assert not named or "random weights" in line or path is paths.html, line
        assert "understanding-scenes (re-creation)" in text
    printed = terminal(gather(folder.path))
    assert "untrained (random weights)" in printed
    assert "its numbers show that the code runs" in " ".join(printed.split())
    rows = list(csv.DictReader(io.StringIO(paths.csv.read_text(encoding="utf-8"))))
    assert {row["caveats"] for row in rows if row["system"] == "untrained"} == {"random weights; re-creation"}
    assert {row["caveats"] for row in rows if row["system"] != "untrained"} == {"re-creation"}


def test_pictures_say_it_too(marked):
    _, paths = marked
    assert paths.pictures
    for picture in paths.pictures:
        svg = picture.with_suffix(".svg").read_text(encoding="utf-8")
        assert "Random weights: untrained." in svg
        assert re.search(r"Re-creation[.:]", svg)  # ":" where a picture has several benchmarks


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers(marked):
    _, paths = marked
    found = [paths.csv, paths.comparison, paths.budget, *(p.with_suffix(".csv") for p in paths.pictures)]
    n_negative = 0
    for path in found:
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t"))
                if cell.startswith("-"):
                    float(cell)
                    n_negative += 1
    assert n_negative  # differences below 0 are there, as numbers
    assert "'=cmd()" in paths.csv.read_text(encoding="utf-8")


def test_cells():
    import pandas as pd

    assert [safe_cell(value) for value in ("@a", "＝a", "a=b", -1.5, None)] == [
        "'@a",
        "'＝a",
        "a=b",
        -1.5,
        None,
    ]
    frame = pd.DataFrame({"x": [-1.0, None], "n": [-2, 3], "name": ["-a", "b"], "mixed": [-4, "+c"]})
    assert csv_text(frame) == "x,n,name,mixed\n-1.0,-2,'-a,-4\n,3,b,'+c\n"
