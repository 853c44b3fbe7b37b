"""The tutorials and examples, followed word for word: their files written, their commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tomllib
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest

from tests.preloaded_python import PreloadedPython

Follow = Callable[[str], str]
ROOT = Path(__file__).parents[1]
ONCE = pytest.mark.skipif(sys.version_info >= (3, 12), reason="once, under Python 3.11, is enough")
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(page: Path, folder: Path) -> list[str]:
    """Write each block that has a title into the folder; returns the commands of the shell blocks."""
    commands: list[str] = []
    for language, title, content in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            (folder / title).write_text(content, encoding="utf-8")
        elif language == "sh":
            commands += content.splitlines()
    return commands


def install(folder: Path) -> None:
    """What `pip install -e .` leaves as far as entry points go, without a network."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreloadedPython]:
    """What runs the commands; every one of them would import torch."""
    with PreloadedPython(tmp_path_factory.mktemp("python")) as started:
        yield started


@pytest.fixture
def follow(python: PreloadedPython, tmp_path: Path) -> Follow:
    """Run one line of a page as its reader would, in the test's folder; returns what it printed."""
    return lambda command: follow_in(tmp_path, command, python)


def follow_in(folder: Path, command: str, python: PreloadedPython) -> str:
    """Run one line of a page in a folder."""
    words = shlex.split(command, comments=True)
    if words[:2] == ["pip", "install"]:
        install(folder)
        return ""
    start: dict[str, list[str]] = {"python": [], "vtok-eval": ["-m", "vtok_eval.cli.main"]}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "VTOK_EVAL_CACHE": str(folder / "cache"),
        "COLUMNS": "200",
        # `python3` in a page is this one.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    done = python.run([*start[words[0]], *words[1:]], cwd=folder, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr[-2000:]}"
    return done.stdout


@ONCE
@pytest.mark.slow
def test_add_a_benchmark(tmp_path, follow):
    commands = write_files(ROOT / "docs" / "add_a_benchmark.md", tmp_path)
    assert [shlex.split(command)[0] for command in commands] == ["pip", "vtok-eval", "vtok-eval"]
    printed = [follow(command) for command in commands]
    assert "noise-stability" in printed[1]
    assert re.search(r"frames-2\b.*\d", printed[2])
    assert (tmp_path / "runs/noise/report/report.html").is_file()


@ONCE
@pytest.mark.slow
def test_add_a_judge(tmp_path, follow):
    commands = write_files(ROOT / "docs" / "add_a_judge.md", tmp_path)
    printed = [follow(command) for command in commands]
    assert len(commands) == 3
    # Both clips are read rightly: both questions of both prompts.
    assert re.search(r"\b100(\.0)?\b", printed[1])
    assert (tmp_path / "calibration.json").is_file()


@ONCE
@pytest.mark.slow
def test_examples(tmp_path, follow):
    commands = write_files(ROOT / "examples" / "README.md", tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command in commands:
        follow(command)
    named = " ".join(commands)
    assert all(path.name in named for path in (ROOT / "examples").glob("*.py"))
    assert (tmp_path / "runs/videos/report/report.html").is_file()


@ONCE
@pytest.mark.slow
def test_a_model_in_another_environment(tmp_path, follow):
    """The environment is made as the page says, but gets its numpy from here instead of from the network."""
    make, install_numpy, *commands = write_files(ROOT / "docs" / "another_environment.md", tmp_path)
    assert make == "python3 -m venv .venv-model"
    venv.create(tmp_path / ".venv-model", symlinks=True, with_pip=False)
    assert install_numpy == ".venv-model/bin/pip install numpy"
    (packages,) = (tmp_path / ".venv-model").glob("lib/python*/site-packages")
    (packages / "numpy.pth").write_text(str(Path(numpy.__file__).parents[1]))
    printed = [follow(command) for command in commands]
    assert "the protocol is kept" in printed[0]
    (system,) = json.loads((tmp_path / "runs/mine/run.json").read_text())["systems"]
    assert system["description"]["environment"]["numpy"] == numpy.__version__


@pytest.mark.parametrize("name", ["mean_colour_tokenizer:MeanColour", "block_vae:BlockVAE"])
def test_example_tokenizers_by_hand(name):
    """Values worked out by hand: a clip of one colour, and one that is black, then white."""
    import torch

    from vtok_eval import Clips
    from vtok_eval.specs.user_code import load_user_class

    module, _, attribute = name.partition(":")
    tokenizer = load_user_class(f"{ROOT / 'examples' / module}.py:{attribute}")()
    frames = torch.zeros(2, 8, 3, 16, 16, dtype=torch.uint8)
    frames[0] = torch.tensor([255, 51, 0], dtype=torch.uint8)[:, None, None]
    frames[1, 4:] = 255
    clips = Clips(frames=frames, fps=torch.tensor([8.0, 8.0], dtype=torch.float64))
    tokens = tokenizer.encode(clips)
    assert torch.allclose(tokens.values[0], torch.tensor([1.0, 0.2, 0.0]))
    half = tokens.values.shape[1] // 2
    assert torch.equal(tokens.values[1, :half].unique(), torch.tensor([0.0]))
    assert torch.equal(tokens.values[1, half:].unique(), torch.tensor([1.0]))
    if hasattr(tokenizer, "decode"):
        assert torch.equal(tokenizer.decode(tokens).frames, frames)


@ONCE
@pytest.mark.slow
def test_bring_a_vae(tmp_path, follow):
    commands = write_files(ROOT / "docs" / "bring_a_vae.md", tmp_path)
    printed = {command.split()[1]: follow(command) for command in commands}
    assert "the protocol is kept" in printed["check"]
    assert re.search(r"\bmine\b.*\d", printed["run"])
    assert "padded to 17" in printed["report"]
    assert (tmp_path / "mine.zip").is_file()


@ONCE
@pytest.mark.slow
def test_bring_a_vq_or_fsq_model(tmp_path, follow):
    commands = write_files(ROOT / "docs" / "bring_a_vq_or_fsq_model.md", tmp_path)
    printed = {command.split()[1]: follow(command) for command in commands}
    assert "the protocol is kept" in printed["check"]
    assert "2,551.2" in printed["check"]
    for system, bits in (("fsq", "2,551.2"), ("fsq-own", "2,551.2"), ("narrow", "2,304")):
        assert re.search(rf"^{system}\b.*\b{bits}\b", printed["report"], re.MULTILINE), system
    assert re.search(r"\bbits per clip\b", printed["report"])
    use = re.findall(r"^ *(\S+) +(\S+) +([\d.]+)", printed["code_use.py"], re.MULTILINE)
    found = {(system, metric): float(value) for system, metric, value in use}
    assert {system for system, _ in found} == {"fsq", "fsq-own"}
    # The same codes, however they are read; what is not used of 1,000 entries is dead.
    for metric in ("coded_bits_per_clip", "code_book_used", "code_perplexity", "dead_codes"):
        assert found["fsq", metric] == found["fsq-own", metric]
    assert found["fsq", "dead_codes"] == pytest.approx(1000 * (1 - found["fsq", "code_book_used"]))
    assert found["fsq", "coded_bits_per_clip"] < 2551.2
    assert (tmp_path / "fsq.zip").is_file()


@ONCE
@pytest.mark.slow
def test_bring_a_hugging_face_model(tmp_path, follow):
    """Tiny models of the real classes, written by the page's own files; skipped without both libraries."""
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    commands = write_files(ROOT / "docs" / "bring_a_hugging_face_model.md", tmp_path)
    printed = [follow(command) for command in commands]
    _, wan_check, wan_run, _, mae_check, mae_run, report, _ = printed
    assert "320 x 16 values" in wan_check  # 5 x 8 x 8 latents of 17 frames of 64 pixels
    assert "128 x 64 values" in mae_check  # 8 x 4 x 4 patches of 2 x 16 x 16
    assert "the protocol is kept" in wan_check
    assert "the protocol is kept" in mae_check
    assert re.search(r"^wan +[\d,]+ +\d", wan_run, re.MULTILINE)
    assert "16 frames padded to 17" in wan_run
    assert re.search(r"\bvideomae\b.*\d", mae_run)
    assert re.search(r"^videomae +128 +\d", report, re.MULTILINE)
    assert (tmp_path / "videomae.zip").is_file()


@pytest.mark.parametrize(("name", "bits"), [("FiniteScalar", 9.51), ("Vector", 6.0)])
def test_library_quantizers(name, bits):
    """The protocol is kept; codes are the nearest colours of the code book, worked out by hand."""
    import torch

    from vtok_eval import Clips
    from vtok_eval.checks.clips import shipped_clips_of
    from vtok_eval.checks.tokenizer import check_tokenizer
    from vtok_eval.specs.user_code import load_user_class

    spec = f"{ROOT / 'examples' / 'library_quantizers.py'}:{name}"
    tokenizer = load_user_class(spec)()
    clips = shipped_clips_of(n_frames=8, size=32, device=torch.device("cpu"))
    report = check_tokenizer(tokenizer, clips, spec=spec)
    assert report.ok, report.as_text()
    # 255 is the end of the scale; 100 is -0.216 from -1 to 1. Of steps of 0.25 the nearest is -0.25, of steps
    # of 2/3 it is -1/3.
    colour = torch.tensor([255, 100, 0], dtype=torch.uint8)
    flat = colour[:, None, None].expand(1, 4, 3, 8, 8).contiguous()
    tokens = tokenizer.encode(Clips(flat, torch.tensor([8.0], dtype=torch.float64)))
    middle = -0.25 if name == "FiniteScalar" else -1 / 3
    assert tokens.values[0, 0].tolist() == pytest.approx([1.0, middle, -1.0], abs=1e-6)
    assert float(tokens.bits()) == pytest.approx(bits, abs=0.01)
    decoded = tokenizer.decode(tokens).frames
    assert decoded[0, 0, :, 0, 0].tolist() == [255, round((middle + 1) * 127.5), 0]


def test_example_of_codes_by_hand():
    """A clip of middle grey: every channel is at its middle level, and decodes to middle grey."""
    import torch

    from vtok_eval import Clips
    from vtok_eval.specs.user_code import load_user_class

    tokenizer_class = load_user_class(f"{ROOT / 'examples' / 'fsq_tokenizer.py'}:FSQ")
    clips = Clips(torch.full((2, 8, 3, 16, 16), 127, dtype=torch.uint8), torch.ones(2, dtype=torch.float64))
    tokens = tokenizer_class().encode(clips)
    assert tokens.latent_shape == (2, 2, 2)
    # Levels 8, 5, 5, 5: the middle of five is 2; of eight it is 3 or 4. 2 x 8 + 2 x 40 + 2 x 200 = 496.
    (code,) = tokens.indices.unique().tolist()
    assert code in {496 + 3, 496 + 4}
    assert tokens.frame[0].tolist() == [0] * 4 + [4] * 4
    assert torch.allclose(tokens.bits(), 8 * torch.tensor(1000.0, dtype=torch.float64).log2())
    decoded = tokenizer_class().decode(tokens)
    assert decoded.frames.shape == clips.frames.shape
    assert int((decoded.frames.int() - 127).abs().max()) < 40  # the first channel is half a level off
    own = tokenizer_class(embedding=True).encode(clips)
    assert torch.equal(own.indices, tokens.indices)
    assert own.values.shape == (2, 8, 4)
    assert not own.values[..., 1:].any()
