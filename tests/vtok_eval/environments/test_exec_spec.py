"""The spec `exec:PYTHON@FILE.py:Class[:options]`: what it may look like, and what is said of each mistake."""

import sys
from pathlib import Path

import pytest

from vtok_eval.environments.options import read_options
from vtok_eval.environments.spec import parse_exec
from vtok_eval.errors import SpecError, UnknownNameError


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text("class Mine: ...\n")
    return path


def test_the_parts(file):
    spec = parse_exec(
        f"exec:{sys.executable}@mine.py:Mine:width=4,call_limit_s=2.5,variables=(A=1,B=x@y.py:Z)"
    )
    assert (spec.python, spec.file, spec.class_name) == (Path(sys.executable), file, "Mine")
    assert spec.options == {"width": "4"}
    assert (spec.start_limit_s, spec.call_limit_s) == (600.0, 2.5)
    assert spec.variables == {"A": "1", "B": "x@y.py:Z"}


def test_the_interpreter_may_be_a_virtual_environment_or_a_command(file, tmp_path, monkeypatch):
    folder = tmp_path / "venv@3" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    # Not resolved: the link's own folder is what makes it a virtual environment.
    assert parse_exec("exec:venv@3@mine.py:Mine").python == folder / "python"
    monkeypatch.setenv("PATH", str(folder))
    assert parse_exec("exec:python@mine.py:Mine").python == folder / "python"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exec:", "must be exec:PYTHON@FILE.py:Class"),
        ("exec:mine.py:Mine", "must be exec:PYTHON@FILE.py:Class"),
        ("exec:PY@mine.py", "must be exec:PYTHON@FILE.py:Class"),
        ("exec:PY@mine.txt:Mine", "must be exec:PYTHON@FILE.py:Class"),
        ("exec:PY@nothing.py:Mine", r"no file nothing.py \(looked from "),
        ("exec:./no/python@mine.py:Mine", "no interpreter no/python .* python3 -m venv FOLDER makes one"),
        ("exec:pyhton3@mine.py:Mine", "no interpreter 'pyhton3' on the PATH; did you mean 'python"),
        ("exec:folder@mine.py:Mine", "folder is not a virtual environment: it has no bin/python"),
        ("exec:./mine.py@mine.py:Mine", "mine.py is not a program that can be run"),
        ("exec:PY@mine.py:Mine:width", "'width' in .* is not an option"),
        ("exec:PY@mine.py:Mine:call_limit_s=soon", "call_limit_s=soon must be a number of seconds above 0"),
        ("exec:PY@mine.py:Mine:start_limit_s=0", "start_limit_s=0 must be a number of seconds above 0"),
        ("exec:PY@mine.py:Mine:call_limit_s=inf", "call_limit_s=inf must be"),
        ("exec:PY@mine.py:Mine:variables=A", "'A' in .* is not an option"),
    ],
)
def test_each_mistake_is_named(file, tmp_path, text, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpecError, match=message) as raised:
        parse_exec(text.replace("PY@", f"{sys.executable}@"))
    assert "\n" not in str(raised.value)


def parameter(name, annotation="", default=None, *, required=False):
    kind = "POSITIONAL_OR_KEYWORD"
    return {
        "name": name, "kind": kind, "annotation": annotation, "default": default, "required": required,
    }  # fmt: skip


PARAMETERS = [
    parameter("width", "int", 8),
    parameter("rate", "typing.Union[float, NoneType]"),
    parameter("mode", "Literal['fast', 'slow']", "fast"),
    parameter("weights", "pathlib.Path | None"),
    parameter("plain", default=1.5),
    parameter("model", "mine.Model"),
    parameter("device", "torch.device"),
]


class TestOptions:
    """Read as those of a class in this process; annotations come as text, in the forms of all Pythons."""

    def read(self, file, options):
        return read_options(parse_exec(f"exec:{sys.executable}@mine.py:Mine:{options}"), PARAMETERS)

    def test_values_have_their_parameters_types(self, file, tmp_path):
        given = "width=4,rate=2,mode=slow,weights=w.pt,plain=3"
        read = {
            "width": 4,
            "rate": 2.0,
            "mode": "slow",
            "weights": {"path": str(tmp_path / "w.pt")},
            "plain": 3.0,
        }
        assert self.read(file, given) == read

    def test_the_device_is_an_option_only_where_it_is_written(self, file):
        with pytest.raises(
            SpecError, match=r"option 'device' cannot be read: its annotation torch.device must"
        ):
            self.read(file, "device=cpu")
        assert self.read(file, "") == {}

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ("widht=4", UnknownNameError, "unknown option of mine.py:Mine 'widht'; did you mean 'width'?"),
            (
                "width=wide",
                SpecError,
                "mine.py:Mine: width=wide is not valid: input should be a valid integer",
            ),
            ("mode=fats", SpecError, "mode=fats is not valid: .*did you mean 'fast'?"),
            (
                "width=match:vtok",
                SpecError,
                "width=match:vtok names a tokenizer, which cannot be sent to a worker",
            ),
            ("model=x", SpecError, "option 'model' cannot be read: its annotation mine.Model must be of int"),
        ],
    )
    def test_each_mistake_is_named(self, file, options, error, message):
        with pytest.raises(error, match=message):
            self.read(file, options)

    def test_a_missing_one_is_named(self, file):
        spec = parse_exec(f"exec:{sys.executable}@mine.py:Mine")
        with pytest.raises(SpecError, match=r"mine.py:Mine needs the option 'width'"):
            read_options(spec, [parameter("width", "int", required=True)])
