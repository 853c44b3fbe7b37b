"""The command line: exit codes, one clear line for a user's mistake, and what each command prints."""

import subprocess
import sys

import pytest
import yaml

from vtok_eval import __version__
from vtok_eval.errors import SpecError, UnknownNameError

MISTAKES = [
    (["run", "--suite", "mimi"], "unknown suite 'mimi'; did you mean 'mini'?"),
    (["run", "--suite", "none.yaml"], "no suite file none.yaml"),
    (["run", "--benchmark", "vbnch"], "unknown benchmark 'vbnch'; did you mean 'vbench'?"),
    (["run", "--baseline", "frames-3"], "unknown baseline system 'frames-3'; did you mean"),
    (["run", "--tokenizer", "vtk"], "unknown tokenizer 'vtk'; did you mean 'vtok'?"),
    (["run", "--tokenizer", "vtok:grd=4"], "unknown option of vtok 'grd'; did you mean 'grid'?"),
    (["run", "--tokenizer", "none.py:Mine"], "none.py"),
    (["run", "--tokenizer", "vtok\udcff"], "argument 'vtok\\udcff': its bytes are no UTF-8 text"),
    (["run", "--only"], "--only leaves no system to test"),
    (["run", "--videos", "no_such_folder"], "no_such_folder"),
    (["run", "--device", "gpu0"], "device 'gpu0' cannot be used here"),
    (["report", "no_such_run"], "there is no run folder no_such_run"),
    (["list", "tokenizer"], "unknown listing or benchmark 'tokenizer'; did you mean 'tokenizers'?"),
    (["list", "mvbnch"], "unknown listing or benchmark 'mvbnch'; did you mean 'mvbench'?"),
]


def vtok_eval(*arguments, cwd, environment=None):
    command = [sys.executable, "-m", "vtok_eval.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    import os
    from pathlib import Path

    root = Path(__file__).parents[3]
    return os.environ | {"VTOK_EVAL_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(root)}


def test_version(tmp_path, environment):
    done = vtok_eval("--version", cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stdout) == (0, f"vtok-eval {__version__}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "line"), MISTAKES)
def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path, environment, arguments, line):
    done = vtok_eval(*arguments, cwd=tmp_path, environment=environment)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_an_unknown_command_is_bad_usage(tmp_path, environment):
    assert vtok_eval("rnu", cwd=tmp_path, environment=environment).returncode == 2


def test_list_names_everything(tmp_path, environment):
    done = vtok_eval("list", cwd=tmp_path, environment=environment)
    assert done.returncode == 0
    for name in ("vtok", "frames", "efficientnet_lite0", "understanding-scenes", "vbench", "mini"):
        assert name in done.stdout
    only = vtok_eval("list", "suites", cwd=tmp_path, environment=environment)
    assert "mini" in only.stdout
    assert "vtok " not in only.stdout


def test_list_says_of_benchmarks_what_they_are_and_where_their_data_lie(tmp_path, environment):
    folder = tmp_path / "msvdqa"
    folder.mkdir()
    (folder / "test_qa.json").write_text(
        '[{"answer": "ball", "id": 7, "question": "what moves?", "video_id": 1, "video_name": "a"}]'
    )
    done = vtok_eval("list", "benchmarks", "--data", str(tmp_path), cwd=tmp_path, environment=environment)
    lines = [line.strip() for line in done.stdout.splitlines()]
    videomme = lines.index(next(line for line in lines if line.startswith("videomme ")))
    assert lines[videomme + 1 : videomme + 5] == [
        "2,700 questions; headline: accuracy; no training split (tokenizers: --set train=FILE)",
        "licence: academic research only, no commercial use, as the authors' README states",
        "Fu et al., Video-MME: The First-Ever Comprehensive Evaluation Benchmark of Multi-modal LLMs in "
        "Video Analysis, CVPR 2025, arXiv 2405.21075.",
        "data: not there",
    ]
    msvdqa = lines.index(next(line for line in lines if line.startswith("msvdqa ")))
    assert lines[msvdqa + 1] == "1 questions; headline: accuracy; training split"
    assert lines[msvdqa + 4] == f"data: {folder}"


SMALL = {
    "name": "small",
    "label": "a small test, not the paper's setting",
    "setting": "custom",
    "baseline": "frames-2",
    "systems": ["frames-2", {"name": "vtok-grid", "spec": "vtok:pool=grid,stride=1"}, "blind"],
    "benchmarks": [
        {
            "name": "understanding-scenes",
            "options": {"train_clips": 64, "validation_clips": 16, "test_clips": 24, "epochs": 1},
        }
    ],
}
MINE = '''
from vtok_eval.data import Clips, Tokens


class Mine:
    """Four tokens: the mean colour of every fourth frame."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames[:, ::4].float().mean(dim=(3, 4)) / 255)
'''


@pytest.mark.slow
def test_the_main_job_end_to_end(tmp_path, environment):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    (tmp_path / "my_file.py").write_text(MINE)

    planned = vtok_eval("run", "--suite", "small.yaml", "--dry-run", cwd=tmp_path, environment=environment)
    assert planned.returncode == 0, planned.stderr
    assert "3 jobs, 72 samples" in planned.stdout
    assert not (tmp_path / "runs").exists()

    done = vtok_eval("run", "--suite", "small.yaml", cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "vtok-grid" in done.stdout
    assert SMALL["label"] in " ".join(done.stdout.split())
    for name in ("run.json", "scores.json", "comparisons.json", "records.parquet", "report/report.html"):
        assert (tmp_path / "runs" / "small" / name).is_file(), name

    again = vtok_eval("run", "--suite", "small.yaml", cwd=tmp_path, environment=environment)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: all 3 jobs" in again.stdout

    more = vtok_eval(
        "run",
        "--suite",
        "small.yaml",
        "--tokenizer",
        "my_file.py:Mine",
        cwd=tmp_path,
        environment=environment,
    )
    assert more.returncode == 0, more.stderr
    assert "my_file.py:Mine" in more.stdout

    report = vtok_eval("report", "runs/small", cwd=tmp_path, environment=environment)
    assert report.returncode == 0, report.stderr
    assert "my_file.py:Mine" in (tmp_path / "runs/small/report/report.html").read_text()


OWN = """
from vtok_eval import Tokens
import torch

class Mine:
    def __init__(self, width: int = 4, device=None):
        self.width = width
    def encode(self, clips):
        return Tokens.of(torch.zeros(len(clips), 1, self.width))
    def generate(self, prompts, seeds):
        raise NotImplementedError
    def answer(self, clip, question, options):
        return options[0]

class Nothing:
    pass
"""


def test_a_plan_names_systems_as_the_command_line_does(tmp_path, environment):
    (tmp_path / "my.py").write_text(OWN)
    suite = {
        "name": "both", "label": "l", "setting": "custom", "systems": ["frames-1"],
        "benchmarks": ["efficiency", {"name": "tv-align", "options": {"judge": "always-yes"}}],
    }  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    arguments = ["--tokenizer", "mine=my.py:Mine:width=64", "--tokenizer", "few=frames:budget=match:frames-1"]
    arguments += ["--generator", "made=my.py:Mine", "--baseline", "few", "--dry-run"]
    done = vtok_eval("run", "--suite", "suite.yaml", *arguments, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    for job in ("efficiency/mine", "efficiency/few", "efficiency/frames-1", "tv-align/made"):
        assert job in done.stdout


def test_every_kind_of_system_can_be_named(tmp_path, monkeypatch):
    from vtok_eval.cli.run import _answerer, _entry, _tokenizers, _videos

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    pairs = [
        (_entry("mine=my.py:Mine:width=64"), ("mine", "my.py:Mine:width=64")),
        (_entry("vtok:grid=2"), ("vtok:grid=2", "vtok:grid=2")),
        (_entry("made=my.py:Mine", prefix="generator:"), ("made", "generator:my.py:Mine")),
        (_answerer("hf:/models/qwen"), ("hf:/models/qwen", "hf:/models/qwen")),
        (_answerer("it=replay:answers.jsonl"), ("it", "replay:answers.jsonl")),
        (_answerer("it=my.py:Mine"), ("it", "answerer:my.py:Mine")),
        (_videos("clips=folder"), ("clips", "videos:folder")),
        (_videos("a=b"), ("videos:a=b", "videos:a=b")),
    ]
    made = _tokenizers(["mine=frames-2"], reconstruct=tmp_path)
    pairs += [
        (made[0], (f"videos:{tmp_path}",) * 2),
        (made[1], ("mine", f"reconstructed:frames-2@{tmp_path}")),
    ]
    for entry, expected in pairs:
        assert (entry.name, entry.spec) == expected


def test_an_answerer_of_ones_own_is_built_named_and_described(tmp_path):
    import torch

    from vtok_eval.run.suite import SystemEntry
    from vtok_eval.specs.systems import VideoMaking, build_system
    from vtok_eval.tokenizers.build import BuildContext

    (tmp_path / "my.py").write_text(OWN)
    making = VideoMaking(tmp_path, 0)
    context = BuildContext(torch.device("cpu"))
    entry = SystemEntry(name="it", spec=f"answerer:{tmp_path}/my.py:Mine:width=2")
    system = build_system(entry, context, making)
    assert (system.name, system.kind, system.subject.width) == ("it", "answerer", 2)
    assert system.description.options["width"] == 2
    for spec, error, line in [
        ("answerer:hf:x", SpecError, "write 'hf:x'"),
        ("answerer:rplay", UnknownNameError, "did you mean 'replay'"),
        (f"answerer:{tmp_path}/my.py:Nothing", SpecError, "is not an answerer"),
    ]:
        with pytest.raises(error, match=line):
            build_system(SystemEntry(spec=spec), context, making)


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "120%", "0%", "many", "", "nan", "inf"])
def test_a_wrong_limit_is_one_line(text):
    from vtok_eval.cli.run import _limit

    with pytest.raises(SpecError, match=r"write a number of samples, such as 20, or a share below 1"):
        _limit(text)
