"""Which files a user's code consists of, and what specs refer to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vtok_eval.specs.content import content_of
from vtok_eval.specs.sources import imports_in, is_own, sources_of

FILES = {
    "mine.py": (
        "import numpy, json\nfrom helper import a\nfrom pkg.deep import thing\n"
        "from vtok_eval.data import Clips"
    ),
    "helper.py": "def a():\n    import lazy\n    return lazy",
    "lazy.py": "import importlib\nnamed = importlib.import_module('by_name')",
    "by_name.py": "",
    "pkg/__init__.py": "from . import sibling",
    "pkg/sibling.py": "from ..unrelated_above import x",
    "pkg/deep.py": "from .sibling import *\nthing = 1",
    "unused.py": "",
    "json.py": "",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_everything_imported_from_the_folder_is_found_and_nothing_else(folder):
    found = sources_of(folder / "mine.py")
    # json.py is next to the file and comes before the standard library's, as it does when the file runs.
    assert sorted(found.files) == [
        *("by_name.py", "helper.py", "json.py", "lazy.py", "mine.py"),
        *("pkg/__init__.py", "pkg/deep.py", "pkg/sibling.py"),
    ]
    assert found.ours == {"vtok_eval.data.Clips"}


@pytest.mark.parametrize("edited", ["mine.py", "helper.py", "lazy.py", "by_name.py", "pkg/sibling.py"])
def test_an_edit_changes_the_hash_of_that_file_alone(folder, edited):
    before = sources_of(folder / "mine.py").files
    (folder / edited).write_text(FILES[edited] + "\n# edited\n")
    after = sources_of(folder / "mine.py").files
    assert {name for name in before if before[name] != after[name]} == {edited}
    (folder / "unused.py").write_text("x = 1")
    assert sources_of(folder / "mine.py").files == after


def test_modules_elsewhere_on_the_path_are_the_users_own_and_installed_ones_are_not(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "mine_too").mkdir()
    (other / "mine_too" / "__init__.py").write_text("")
    (other / "mine_too" / "part.py").write_text("import torch")
    (folder / "mine.py").write_text("import torch\nfrom mine_too.part import torch as t")
    file = str(folder / "mine.py")
    code = f"from vtok_eval.specs.sources import *; print(*sources_of(Path({file!r})).files)"
    path = os.pathsep.join((str(other), str(Path(__file__).parents[3])))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["mine.py", "mine_too/__init__.py", "mine_too/part.py"]
    assert not is_own(Path(pytest.__file__))
    assert not is_own(Path(os.__file__))
    assert is_own(folder / "mine.py")


def test_imports_are_read_from_any_place_and_a_syntax_error_has_none():
    source = b"import a.b as c\ndef f():\n    from .d import e\ntry:\n    import g\nexcept ImportError: ..."
    assert set(imports_in(source)) == {(0, "a.b"), (1, "d.e"), (0, "g")}
    assert list(imports_in(b"def f(:")) == []


def test_specs_refer_to_files_by_content_wherever_they_are(folder):
    weights = folder / "a=b,c.pt"
    weights.write_bytes(b"w")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    specs = [f"{folder}/mine.py:Mine:width=8", f"x:checkpoint=({weights})", f"hf:{model},frames=4"]
    found = content_of(specs)
    assert "helper.py" in found.sources
    assert set(found.files) == {"a=b,c.pt", "model"}
    assert content_of(["vtok:pool=grid,stride=1", "frames-2", "no/such/file.pt"]).facts() == {}


def test_a_folder_counts_where_it_is_meant(folder, monkeypatch):
    """A word of a spec that happens to be the name of a folder of anything does not."""
    monkeypatch.chdir(folder)
    assert content_of(["mine:mode=pkg"]).files == {}
    assert set(content_of(["mine:mode=./pkg"]).files) == {"pkg"}
