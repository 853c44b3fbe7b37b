from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.feature_cache import FeatureCache

MINE = '''
from __future__ import annotations
from typing import TYPE_CHECKING
from vtok_eval.data import Tokens

if TYPE_CHECKING:
    from vtok_eval.tokenizers.backbones.base import Backbone
    from somewhere import Unknown


class Mine:
    """Mean colour of each frame."""

    def __init__(self, scale: float = 1.0, name="x", flags: int = 0, odd: Unknown = None):
        self.scale, self.name, self.flags = scale, name, flags

    def encode(self, clips):
        return Tokens.of(clips.frames.float().mean((3, 4)) * self.scale)


class WithBackbone:
    def __init__(self, *, backbone: Backbone, must: int):
        self.backbone, self.must = backbone, must

    def encode(self, clips):
        return Tokens.of(self.backbone.maps(clips.frames[:, 0]).float().mean((2, 3))[:, None])


class Raises:
    def __init__(self):
        raise ZeroDivisionError("no luck")

    def encode(self, clips): ...


class NotOne:
    pass
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return str(path)


def test_class_of_a_file_with_options_read_by_annotation(mine, context, random_clips) -> None:
    tokenizer = build_tokenizer(f"{mine}:Mine:scale=2,name=7,flags=3", context)
    assert (tokenizer.scale, tokenizer.name, tokenizer.flags) == (2.0, "7", 3)
    assert isinstance(tokenizer.scale, float)
    assert tokenizer.encode(random_clips(2, 3)).values.shape == (2, 3, 3)
    description = describe_tokenizer(tokenizer)
    assert description["options"] == {"scale": 2.0, "name": "7", "flags": 3}
    assert len(description["source_sha256"]) == 64


def test_users_class_gets_the_cached_backbone(mine, random_clips, tmp_path) -> None:
    cache = FeatureCache(tmp_path / "store")
    tokenizer = build_tokenizer(f"{mine}:WithBackbone:must=1", BuildContext(torch.device("cpu"), cache))
    assert isinstance(tokenizer.backbone, CachedBackbone)
    tokenizer.encode(random_clips(2, 2))
    tokenizer.encode(random_clips(2, 2))
    assert (cache.hits, cache.misses) == (2, 2)


def test_class_of_a_module(mine, context, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(Path(mine).parent))
    assert build_tokenizer("mine:Mine", context).scale == 1.0
    monkeypatch.delitem(sys.modules, "mine")


def test_changed_file_is_read_anew(mine, context) -> None:
    assert build_tokenizer(f"{mine}:Mine", context).scale == 1.0
    Path(mine).write_text(MINE.replace("float = 1.0", "float = 5.0"))
    assert build_tokenizer(f"{mine}:Mine", context).scale == 5.0


@pytest.mark.parametrize(
    ("spec", "error", "complaint"),
    [
        ("vtokk", UnknownNameError, "did you mean 'vtok'"),
        ("vtok:gird=2", UnknownNameError, "option of vtok 'gird'; did you mean 'grid'"),
        ("vtok:grid=x", SpecError, "grid=x is not valid.*integer"),
        ("vtok:pool=max", SpecError, "'mean' or 'grid'"),
        ("vtok:residual=maybe", SpecError, "residual=maybe.*boolean"),
        ("vtok:key=last", SpecError, "key=last"),
        ("frames-2:sampling=fps", SpecError, "'linspace' or 'interior'"),
        ("frames", SpecError, "either a number of frames"),
        ("vtok:backbone=efficientnet", UnknownNameError, "did you mean 'efficientnet_lite0'"),
        ("vtok:backbone=efficientnet_lite0:b7", SpecError, "takes nothing after its name"),
        ("frames:budget=match:nobody", UnknownNameError, "'nobody'"),
        ("frames:budget=match:{mine}:Mine", SpecError, "cannot count its tokens"),
        ("frames:budget=match:loop-a", SpecError, "in a circle: .*loop"),
        ("missing.py:Mine", SpecError, "no file missing.py"),
        ("no_such_module:Mine", SpecError, "neither a tokenizer .* nor a module"),
        ("{mine}:Mien", UnknownNameError, "did you mean 'Mine'"),
        ("{mine}:WithBackbone", SpecError, "needs the option 'must'"),
        ("{mine}:Raises", SpecError, "cannot be built: ZeroDivisionError: no luck"),
        ("{mine}:NotOne", SpecError, "is not a tokenizer; it needs a method encode"),
        ("{mine}:Mine:odd=1", SpecError, "annotation Unknown is not known"),
    ],
)
def test_errors_are_one_line_that_names_the_thing(mine, spec, error, complaint) -> None:
    names = {"loop-a": "frames:budget=match:loop-b", "loop-b": "frames:budget=match:loop-a"}
    with pytest.raises(error, match=complaint) as caught:
        build_tokenizer(spec.format(mine=mine), BuildContext(torch.device("cpu"), names=names))
    assert "\n" not in str(caught.value)


def test_file_that_cannot_be_imported(tmp_path, context) -> None:
    for code, complaint in (
        ("def", "SyntaxError"),
        ("import no_such_thing", "no_such_thing"),
        ("1/0", "Zero"),
    ):
        (tmp_path / "bad.py").write_text(code)
        with pytest.raises(SpecError, match=f"cannot be imported: .*{complaint}"):
            build_tokenizer(f"{tmp_path / 'bad.py'}:Mine", context)


def test_match_names_a_system_of_the_suite(context) -> None:
    names = {"mine": "vtok:pool=grid,stride=1"}
    tokenizer = build_tokenizer("frames:budget=match:mine", BuildContext(context.device, names=names))
    # 31 tokens at 16 frames: seven frames of 2 x 2.
    assert tokenizer.plan(16) == (7, 2)
    assert describe_tokenizer(tokenizer)["options"]["budget"]["options"]["pool"] == "grid"


def test_numbers_are_budgets_too(context) -> None:
    assert build_tokenizer("frames:budget=32", context).token_count(16) == 32


def test_key_is_a_word_or_an_index(context) -> None:
    assert build_tokenizer("vtok:key=middle", context).key == "middle"
    assert build_tokenizer("vtok:key=3", context).key == 3


def test_one_backbone_for_all_tokenizers_of_a_context(context) -> None:
    one, two = (build_tokenizer(spec, context) for spec in ("vtok", "frames-2"))
    assert isinstance(one.backbone, Backbone)
    assert one.backbone is two.backbone


def test_the_device_that_a_class_keeps_is_no_part_of_what_it_is(tmp_path) -> None:
    (tmp_path / "kept.py").write_text(
        "class Kept:\n"
        "    def __init__(self, device, width: int = 4):\n"
        "        self.device, self.width = device, width\n"
        "    def encode(self, clips):\n"
        "        raise NotImplementedError\n"
    )
    spec = f"{tmp_path}/kept.py:Kept"
    contexts = (BuildContext(torch.device(name)) for name in ("cpu", "meta"))
    here, there = (describe_tokenizer(build_tokenizer(spec, context)) for context in contexts)
    assert here["options"] == {"width": 4}
    assert here.identity() == there.identity()
