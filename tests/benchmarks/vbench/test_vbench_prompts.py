"""Which videos count on which dimensions: VBench's own prompts, and the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.vbench.benchmark import VBench
from benchmarks.vbench.dimensions import DIMENSIONS, select
from benchmarks.vbench.inputs import Inputs
from benchmarks.vbench.package import installed_version
from benchmarks.vbench.prompts import VBenchPrompt, custom, package_info_file, read_prompts, standard
from benchmarks.vbench.scorers.prompt_scorers import asked_action
from vtok_eval.benchmark import Sample
from vtok_eval.errors import SpecError, UnknownNameError, VtokEvalError
from vtok_eval.systems import System
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.made import ReconstructedVideos

PROMPTS = [
    {"prompt_en": "a cat", "dimension": ["temporal_flickering", "imaging_quality"]},
    {"prompt_en": "a dog", "dimension": ["dynamic_degree"]},
    {
        "prompt_en": "the sea",
        "dimension": ["appearance_style"],
        "auxiliary_info": {"appearance_style": {"appearance_style": "oil painting"}},
    },
    {"prompt_en": "the sea", "dimension": ["imaging_quality"]},
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(PROMPTS))
    return path


def folder(tmp_path: Path, *names: str) -> System:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in names:
        (videos / name).touch()
    return System("v", str(videos), "videos", VideoFolder(videos))


def names(samples: list[Sample] | Any) -> dict[str, list[str]]:
    return {sample.id: sample.target["dimensions"] for sample in samples}


def test_standard_mode_expects_five_videos_of_each_prompt(tmp_path: Path, prompts: Path) -> None:
    system = folder(tmp_path, "a cat-0.mp4", "a cat-7.mp4", "the sea-2.mp4", "mine-0.mp4")
    benchmark = VBench("imaging_quality,appearance_style", mode="standard", prompts=str(prompts))
    samples = benchmark.samples(system)
    found = names(samples)
    assert set(found) == {f"{text}-{index}.mp4" for text in ("a cat", "the sea") for index in range(5)}
    assert found["a cat-0.mp4"] == ["imaging_quality"]
    assert found["the sea-2.mp4"] == ["appearance_style", "imaging_quality"]
    (styled,) = [sample for sample in samples if sample.id == "the sea-2.mp4"]
    assert styled.target["information"]["appearance_style"]["appearance_style"] == "oil painting"


def test_standard_mode_refuses_a_folder_without_its_prompts(tmp_path: Path, prompts: Path) -> None:
    benchmark = VBench("imaging_quality", mode="standard", prompts=str(prompts))
    with pytest.raises(SpecError, match="mode to custom"):
        benchmark.samples(folder(tmp_path, "mine-0.mp4"))


@pytest.mark.parametrize("mode", ["standard", "custom"])
@pytest.mark.parametrize("name", ["a cat-0", "a cat"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, prompts: Path, mode: str, name: str) -> None:
    """In standard mode only a name with an index is a video's."""
    benchmark = VBench("imaging_quality", mode=mode, prompts=str(prompts))
    system = folder(tmp_path, f"{name}.mp4", f"{name}.gif", "the sea-1.mp4")
    if (mode, name) == ("standard", "a cat"):
        assert len(benchmark.samples(system)) == 10
        return
    with pytest.raises(SpecError, match=rf"{name}\..*{name}\..*keep one"):
        benchmark.samples(system)


def test_custom_mode_takes_every_video_on_every_dimension(tmp_path: Path) -> None:
    found = names(VBench("dynamic_degree,temporal_style").samples(folder(tmp_path, "a-0.mp4", "b.mp4")))
    assert found == {name: ["dynamic_degree", "temporal_style"] for name in ("a-0.mp4", "b.mp4")}


def test_structured_information_comes_from_the_user(tmp_path: Path) -> None:
    system = folder(tmp_path, "a-0.mp4")
    with pytest.raises(SpecError, match="needs to know the appearance_style that 'a' asks for"):
        VBench("appearance_style").samples(system)
    information = tmp_path / "information.json"
    information.write_text('{"a": {"appearance_style": {"appearance_style": "pixel art"}}}')
    (sample,) = VBench("appearance_style", information=str(information)).samples(system)
    assert sample.target["information"] == {"appearance_style": {"appearance_style": "pixel art"}}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}'])
def test_broken_information_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "information.json"
    path.write_text(text)
    with pytest.raises(VtokEvalError, match=r"information\.json"):
        VBench(information=str(path))


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"prompt_en": "a"}]', "x"])
def test_broken_prompts_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(text)
    with pytest.raises(VtokEvalError, match=r"prompts\.json"):
        read_prompts(path)


def test_unknown_mode_is_named() -> None:
    with pytest.raises(UnknownNameError, match="standard"):
        VBench(mode="standart")


@pytest.mark.parametrize(
    ("prompt", "action"),
    [
        ("A person is riding a bike", "riding a bike"),
        ("A person is side-stepping", "side"),  # the reference cuts at the first hyphen
        ("bikes", "bikes"),
    ],
)
def test_actions_are_cut_out_as_in_the_reference(prompt: str, action: str) -> None:
    path = f"/videos/{prompt}-3.mp4"
    theirs = path.split("/")[-1].lower().split("-")[0].split("person is ")[-1].split("_")[0]
    assert asked_action(prompt) == action == theirs


@pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed")
def test_the_packages_prompts() -> None:
    found = read_prompts(package_info_file())
    # 946 entries, two texts of which occur twice
    assert len(found) == 944
    counts = {entry.name: sum(entry.name in prompt.dimensions for prompt in found) for entry in DIMENSIONS}
    assert (counts["subject_consistency"], counts["human_action"], counts["scene"]) == (72, 100, 86)
    for entry in DIMENSIONS:
        if entry.information:
            asked = [prompt for prompt in found if entry.name in prompt.dimensions]
            assert all(entry.name in prompt.information for prompt in asked), entry.name


def test_two_files_of_one_name_in_two_folders(tmp_path):
    """Without prompts and with different ones; their samples' ids are their paths in the folder."""
    for name in ("day", "night"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.mp4").write_bytes(b"x")
    for table in (
        "path\nday/clip.mp4\nnight/clip.mp4\n",
        "path,prompt,index\nday/clip.mp4,a,0\nnight/clip.mp4,b,0\n",
    ):
        (tmp_path / "manifest.csv").write_text(table)
        folder = VideoFolder(tmp_path)
        chosen = select("imaging_quality")
        system = System("mine", "videos:x", "videos", folder)
        ids = [sample.id for sample in Inputs(mode="custom").samples(system, chosen)]
        assert ids == ["day/clip.mp4", "night/clip.mp4"]
        made = ReconstructedVideos(None, folder, tmp_path / "made", None)
        system = System("made", "reconstructed:x", "videos", made)
        assert [sample.id for sample in Inputs(mode="custom").samples(system, chosen)] == ids
        assert len({entry.path for entry in made.entries()}) == 2


def test_decomposed_names_match_prompts_and_information(tmp_path):
    name = "un cafe\u0301-0.mp4"
    (tmp_path / name).write_bytes(b"x")
    entries = VideoFolder(tmp_path).entries()
    for prompt in ("un caf\u00e9", "un cafe\u0301"):
        found = standard(entries, [VBenchPrompt(prompt, ("color",))], folder=tmp_path)
        assert found[0].path.name == name
        (expected,) = custom(entries, select("color"), {prompt: {"color": "brown"}})
        assert expected.prompt.information == {"color": "brown"}
