"""VBench as a benchmark: what it plans, what it refuses, what it says of the dimensions it does not run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.vbench.benchmark import VBench
from benchmarks.vbench.dimensions import DIMENSIONS, dimension, select
from benchmarks.vbench.networks import weights
from benchmarks.vbench.package import installed_version, require_package, vbench_module
from tools.vbench import dimension_table
from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError, VideoError
from vtok_eval.systems import System
from vtok_eval.video.folder import VideoFolder

needs_vbench = pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed")


def folder_of(path: Path, *names: str) -> System:
    for name in names:
        (path / name).touch()
    return System(name="clips", spec=str(path), kind="videos", subject=VideoFolder(path))


def test_samples_are_named_by_file_and_clustered_by_prompt(tmp_path: Path) -> None:
    first, second, third = VBench().samples(folder_of(tmp_path, "bikes.mp4", "a cat-1.mp4", "a cat-0.mp4"))
    assert [sample.id for sample in (first, second, third)] == ["a cat-0.mp4", "a cat-1.mp4", "bikes.mp4"]
    assert first.cluster == second.cluster == "a cat"
    assert third.cluster == "bikes"
    assert first.clip is None
    assert first.target["path"] == str(tmp_path / "a cat-0.mp4")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no video"):
        VBench().samples(folder_of(tmp_path))


def test_unknown_dimension_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'temporal_flickering'"):
        VBench(dimensions="temporal_flicker")


def test_dimensions_may_be_a_text_a_list_or_all() -> None:
    assert [entry.name for entry in select("color, scene")] == ["color", "scene"]
    assert [entry.name for entry in select(["scene", "color"])] == ["color", "scene"]
    assert select("all") == DIMENSIONS
    assert VBench().describe()["options"]["dimensions"] == [entry.name for entry in DIMENSIONS]
    with pytest.raises(ValueError, match="no VBench dimension"):
        select("")


@pytest.fixture
def everything_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every package and every weight file were here."""
    monkeypatch.setattr("benchmarks.vbench.benchmark.why_not", lambda entry: None)


@pytest.mark.usefixtures("everything_here")
def test_metrics_leave_failed_videos_out() -> None:
    (metric,) = VBench("temporal_flickering").metrics()
    assert metric.failed_as is None
    assert metric.unit == "fraction"


def test_the_table_is_whole() -> None:
    names = {entry.name for entry in DIMENSIONS}
    assert len(names) == len(DIMENSIONS) == 16
    assert sum(entry.group == "quality" for entry in DIMENSIONS) == 7
    refused = {entry.name for entry in DIMENSIONS if not entry.custom_prompts}
    assert refused == {entry.name for entry in DIMENSIONS if entry.information}


def test_description_says_what_each_dimension_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "installed_version", lambda: "0.1.5")
    states = VBench("temporal_flickering,dynamic_degree,color").describe()["dimensions"]
    assert set(states) == {entry.name for entry in DIMENSIONS}
    assert states["temporal_flickering"] == "run"
    assert "raft_model/models/raft-things.pth" in states["dynamic_degree"]
    assert "detectron2" in states["color"]
    assert states["motion_smoothness"] == "not run: not asked for; needs amt_model/amt-s.pth"
    asked = VBench("dynamic_degree").describe()["dimensions"]
    assert (
        asked["dynamic_degree"]
        == f"not run: weights missing in {tmp_path}: raft_model/models/raft-things.pth "
        "(vtok-eval doctor vbench --fetch gets them)"
    )
    assert asked["temporal_flickering"] == "not run: not asked for; needs nothing"


def test_what_others_need_does_not_depend_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is continued must describe itself as before, whatever weights have come since."""
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    before = VBench("temporal_flickering").describe()
    (tmp_path / "raft_model/models").mkdir(parents=True)
    (tmp_path / "raft_model/models/raft-things.pth").touch()
    assert VBench("temporal_flickering").describe() == before


def test_without_the_package_preparing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.vbench.package.installed_version", lambda: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vtok-eval\[vbench\]' on Python 3.11"):
        require_package()


def test_weights_are_looked_for_in_the_reference_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (dino, _) = dimension("subject_consistency").weights
    assert weights.find(dino) is None
    hub = tmp_path / "torch/hub/checkpoints/dino_vitbase16_pretrain.pth"
    hub.parent.mkdir(parents=True)
    hub.touch()
    assert weights.find(dino) == hub
    own = tmp_path / "cache/dino_model/dino_vitbase16_pretrain.pth"
    own.parent.mkdir(parents=True)
    own.touch()
    assert weights.find(dino) == own


def test_importing_the_benchmark_imports_neither_torch_nor_vbench() -> None:
    code = (
        "import sys, benchmarks.vbench.benchmark as b; b.VBench().describe();"
        "sys.exit(any(name.split('.')[0] in ('torch', 'vbench', 'cv2', 'decord') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_vbench
@pytest.mark.vbench
def test_importing_the_package_leaves_logging_alone() -> None:
    code = (
        "import logging, warnings; from PIL import ImageFile;"
        "from benchmarks.vbench.package import vbench_module;"
        "before = (list(logging.root.handlers), logging.root.level, list(warnings.filters));"
        "vbench_module('temporal_flickering');"
        "assert before == (list(logging.root.handlers), logging.root.level, list(warnings.filters));"
        "assert not ImageFile.LOAD_TRUNCATED_IMAGES"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_vbench
@pytest.mark.vbench
def test_a_module_whose_package_is_absent_is_named() -> None:
    if importlib.util.find_spec("detectron2") is not None:
        pytest.skip("detectron2 is installed")
    with pytest.raises(MissingDependencyError, match="detectron2"):
        vbench_module("object_class")


def test_the_page_has_the_table_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "vbench.md").read_text(encoding="utf-8").splitlines()
    table = dimension_table.lines()
    assert len(table) == 2 + 16
    first = page.index(table[0])
    assert page[first : first + len(table)] == table, "python -m tools.vbench.dimension_table writes it"


@pytest.mark.usefixtures("everything_here")
def test_totals_are_metrics_where_all_their_dimensions_are() -> None:
    quality = [entry.name for entry in DIMENSIONS if entry.group == "quality"]
    assert [metric.name for metric in VBench(quality, mode="standard").metrics()][7:] == ["quality"]
    assert len(VBench(quality[1:]).metrics()) == 6
    everything = VBench(mode="standard")
    assert [metric.name for metric in everything.metrics()][16:] == ["quality", "semantic", "total"]
    assert everything.describe()["notes"] == [
        "VBench temporal_flickering: on all videos; the standard protocol takes still ones alone (option "
        "static_filter)"
    ]
    notes = VBench(quality).describe()["notes"]
    assert (
        "VBench Semantic score: not given; not run: object_class, multiple_objects, human_action" in notes[-2]
    )
    assert notes[-1].startswith("VBench Total score: not given; not run: object_class")
    assert "VBench Quality, Semantic and Total score: not given" in VBench("scene").describe()["notes"][-1]


@pytest.mark.usefixtures("everything_here")
def test_a_dimension_that_no_prompt_informs_is_not_run(tmp_path: Path) -> None:
    """ "all" leaves it out, and a video whose prompt lacks it too; named, it is an error."""
    system = folder_of(tmp_path, "a cat-0.mp4", "the sea-0.mp4")
    states = VBench().describe()["dimensions"]
    assert states["scene"] == "not run: no prompt says which scene it asks for (option information)"
    assert {name for name, state in states.items() if state != "run"} == {
        entry.name for entry in DIMENSIONS if entry.information
    }
    information = tmp_path / "information.json"
    information.write_text('{"the sea": {"scene": "sea"}}')
    benchmark = VBench(information=str(information))
    cat, sea = benchmark.samples(system)
    assert benchmark.describe()["dimensions"]["scene"] == "run"
    assert set(sea.target["dimensions"]) - set(cat.target["dimensions"]) == {"scene"}
    with pytest.raises(SpecError, match="scene needs to know the scene that 'a cat' asks for"):
        VBench("scene", information=str(information)).samples(system)


@pytest.mark.parametrize(
    "options",
    [{"per_prompt": 0}, {"folder_fps": 0}, {"folder_fps": "x"}, {"frames_at_once": 1.5}],
)
def test_numbers_out_of_range_are_named(options: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=f"vbench: {next(iter(options))} must be"):
        VBench(**options)


def test_the_filter_needs_what_it_filters_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="static_filter is for temporal_flickering"):
        VBench("imaging_quality", static_filter=True)
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "installed_version", lambda: "0.1.5")
    state = VBench("temporal_flickering", static_filter=True).describe()["dimensions"]["temporal_flickering"]
    assert state == "not run: the filter for still videos needs raft_model/models/raft-things.pth"
