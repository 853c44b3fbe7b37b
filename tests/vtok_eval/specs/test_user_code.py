"""A user's file and its neighbours: imported as in a script, and invisible to other code."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path

import pytest

from vtok_eval.errors import SpecError
from vtok_eval.specs.user_code import load_user_class


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/') if not name.startswith('__') else name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def load(folder: Path, name: str = "mine.py:Mine"):
    return load_user_class(str(folder / name))


USER = "import helper\nclass Mine:\n    width = helper.WIDTH\n    encode = None\n"


class TestNeighbours:
    def test_two_folders_with_helpers_of_one_name(self, tmp_path):
        one = write(tmp_path / "one", mine=USER, helper="WIDTH = 1")
        two = write(tmp_path / "two", mine=USER, helper="WIDTH = 2")
        before = (list(sys.path), set(sys.modules) & {"helper"})
        assert (load(one).width, load(two).width, load(one).width) == (1, 2, 1)
        assert (list(sys.path), set(sys.modules) & {"helper"}) == before
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("helper")

    @pytest.mark.parametrize(
        "statement",
        [
            "from helper import WIDTH",
            "from helper import *",
            "import helper as h; WIDTH = h.WIDTH",
            "import parts.inner; WIDTH = parts.inner.WIDTH",
            "from parts import inner; WIDTH = inner.WIDTH",
            "from parts.inner import WIDTH",
            "from . import helper; WIDTH = helper.WIDTH",
            "from .helper import WIDTH",
            "from space.one import WIDTH",
        ],
    )
    def test_every_form_of_import(self, tmp_path, statement):
        write(
            tmp_path,
            mine=f"{statement}\nclass Mine:\n    encode, width = None, WIDTH\n",
            helper="from deeper import WIDTH",
            deeper="import math\nWIDTH = math.isqrt(49)",
            space__one="from helper import WIDTH",
        )
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts/__init__.py").write_text("from helper import WIDTH")
        (tmp_path / "parts/inner.py").write_text("from . import WIDTH\nimport deeper")
        assert load(tmp_path).width == 7

    def test_an_import_inside_a_method_is_made_later(self, tmp_path):
        write(
            tmp_path,
            mine="class Mine:\n    def encode(self):\n        import helper\n        return helper.WIDTH\n",
            helper="WIDTH = 3",
        )
        assert load(tmp_path)().encode() == 3

    def test_a_neighbour_shadows_a_package_for_its_own_folder_only(self, tmp_path):
        import json

        write(
            tmp_path,
            mine="import json, helper\nclass Mine:\n    encode, mark, seen = 0, json.MARK, helper.SEEN\n",
            json="MARK = 5",
            helper="import json\nSEEN = json.MARK",
        )
        assert (load(tmp_path).mark, load(tmp_path).seen) == (5, 5)
        assert sys.modules["json"] is json
        assert json.dumps([1]) == "[1]"

    def test_our_own_packages_are_never_copied(self, tmp_path):
        write(
            tmp_path,
            mine="from vtok_eval.errors import SpecError\nclass Mine:\n    encode, error = None, SpecError\n",
        )
        (tmp_path / "vtok_eval").mkdir()
        (tmp_path / "vtok_eval/__init__.py").write_text("raise RuntimeError")
        assert load(tmp_path).error is SpecError

    def test_a_module_that_everybody_finds_is_one_module(self, tmp_path, monkeypatch):
        write(tmp_path, mine="import shared_by_all\nclass Mine:\n    encode, it = None, shared_by_all\n")
        write(tmp_path, shared_by_all="")
        monkeypatch.syspath_prepend(str(tmp_path))
        assert load(tmp_path).it is importlib.import_module("shared_by_all")
        del sys.modules["shared_by_all"]

    def test_a_changed_neighbour_is_read_anew(self, tmp_path):
        write(tmp_path, mine=USER, helper="WIDTH = 1")
        assert load(tmp_path).width == 1
        write(tmp_path, helper="WIDTH = 2")
        assert load(tmp_path).width == 2
        assert load(tmp_path) is load(tmp_path)

    def test_a_neighbour_may_import_the_file_itself(self, tmp_path):
        write(
            tmp_path,
            mine="SIZE = 4\nimport helper\nclass Mine:\n    encode, width = None, helper.WIDTH\n",
            helper="import mine\nWIDTH = mine.SIZE",
        )
        assert load(tmp_path).width == 4

    def test_objects_of_a_neighbours_class_can_be_pickled(self, tmp_path):
        write(tmp_path, mine="from helper import Part\nclass Mine:\n    encode, part = None, Part()\n")
        write(tmp_path, helper="class Part:\n    pass\n")
        part = load(tmp_path).part
        assert type(pickle.loads(pickle.dumps(part))) is type(part)

    @pytest.mark.parametrize(
        ("helper", "says"),
        [
            ("1 / 0", r"mine\.py cannot be imported: ZeroDivisionError"),
            (
                "import not_there_at_all",
                r"mine\.py cannot be imported: ModuleNotFoundError: No module",
            ),
            ("def", r"mine\.py cannot be imported: SyntaxError"),
        ],
    )
    def test_a_broken_neighbour_is_told_in_one_line_and_tried_again(self, tmp_path, helper, says):
        write(tmp_path, mine=USER, helper=helper)
        for _ in range(2):
            with pytest.raises(SpecError, match=says) as caught:
                load(tmp_path)
            assert "\n" not in str(caught.value)
        write(tmp_path, helper="WIDTH = 6")
        assert load(tmp_path).width == 6
