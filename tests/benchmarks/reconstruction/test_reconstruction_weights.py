"""LPIPS and rFVD only with their weight files; another network's file is one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import lpips
import pytest
import torch
import torchvision

from benchmarks.reconstruction.frechet.i3d import I3DFeatures, i3d_place, why_no_i3d
from benchmarks.reconstruction.metrics import lpips_distance
from benchmarks.reconstruction.metrics.lpips_distance import Lpips, Trunk, trunk_place, why_no_lpips
from tests.benchmarks.reconstruction.clips import measured, noisy, pattern
from vtok_eval.errors import MissingDependencyError, UnknownNameError

CPU = torch.device("cpu")


def _place_trunk(monkeypatch: pytest.MonkeyPatch, folder: Path, state: object) -> None:
    """Put a file of weights where LPIPS looks for SqueezeNet's, under the name that its hash gives it."""
    monkeypatch.setenv("TORCH_HOME", str(folder))
    part = folder / "hub" / "checkpoints" / "part"
    part.parent.mkdir(parents=True)
    torch.save(state, part)
    digest = hashlib.sha256(part.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(
        lpips_distance.TRUNKS, "squeeze", Trunk("SqueezeNet 1.1", f"squeezenet1_1-{digest}.pth", 1)
    )
    part.rename(trunk_place("squeeze"))


def test_missing_trunk_is_named_with_hash_and_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    reason = why_no_lpips("vgg")
    assert reason is not None
    assert str(tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth") in reason
    assert "SHA-256 begins 397923af" in reason
    with pytest.raises(MissingDependencyError, match="LPIPS \\(VGG-16\\) needs"):
        Lpips("vgg", device=CPU)


def test_lpips_equals_the_package_with_the_same_trunk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trunk = torchvision.models.squeezenet1_1(weights=None)
    _place_trunk(monkeypatch, tmp_path, trunk.state_dict())
    clip = pattern(n_frames=2, height=64, width=64)
    changed = noisy(clip, level=20)
    state = torch.get_rng_state()
    measure = Lpips("squeeze", device=CPU)
    assert torch.equal(state, torch.get_rng_state())
    # The package's own loading, its trunk replaced by the same network.
    monkeypatch.setattr(torchvision.models, "squeezenet1_1", lambda **_: trunk)
    own = lpips.LPIPS(net="squeeze", verbose=False)
    with torch.inference_mode():
        expected = own(clip / 255, changed / 255, normalize=True).mean()
        found = measured(measure, clip, changed).values["lpips"]
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_another_networks_trunk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _place_trunk(monkeypatch, tmp_path, {"features.0.weight": torch.zeros(1)})
    with pytest.raises(MissingDependencyError, match="holds weights of another network than SqueezeNet"):
        Lpips("squeeze", device=CPU)


def test_a_damaged_trunk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _place_trunk(monkeypatch, tmp_path, {})
    trunk_place("squeeze").write_bytes(b"cut short")
    with pytest.raises(MissingDependencyError, match="its SHA-256 does not begin"):
        Lpips("squeeze", device=CPU)


def test_unknown_network() -> None:
    with pytest.raises(UnknownNameError, match="unknown LPIPS network 'vg'; did you mean 'vgg'"):
        trunk_place("vg")


class _Stand(torch.nn.Module):
    """Has the I3D's signature; its features are means over time of some pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(
        self, clips: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = True
    ) -> torch.Tensor:
        return clips.mean(dim=[1, 2]).flatten(1)[:, : self.width]


def _place_i3d(monkeypatch: pytest.MonkeyPatch, folder: Path, *, width: int) -> None:
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(folder))
    i3d_place().parent.mkdir(parents=True)
    torch.jit.script(_Stand(width)).save(str(i3d_place()))


def test_i3d_is_named_with_its_place_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    assert str(tmp_path / "i3d" / "i3d_torchscript.pt") in (why_no_i3d() or "")


def test_i3d_takes_the_frames_that_each_protocol_gives_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _place_i3d(monkeypatch, tmp_path, width=400)
    clip = pattern(n_frames=10, height=112, width=200)
    changed = noisy(clip)
    squashed = measured(I3DFeatures(device=CPU), clip, changed, pieces=3).features["i3d"]
    cropped = measured(I3DFeatures(device=CPU, resizing="crop"), clip, changed).features["i3d"]
    resized = torch.nn.functional.interpolate(clip.float(), size=(224, 224), mode="bilinear")
    expected = (resized / 127.5 - 1).mean(dim=(0, 1)).flatten()[:400]
    assert torch.allclose(squashed[0], expected, atol=1e-5)
    # The shorter side of 112 becomes 224, so 200 become 400; the centre begins at column 88.
    larger = torch.nn.functional.interpolate(clip.float(), size=(224, 400), mode="bilinear")
    expected = (larger[..., 88:312] / 127.5 - 1).mean(dim=(0, 1)).flatten()[:400]
    assert torch.allclose(cropped[0], expected, atol=1e-5)
    assert not torch.allclose(squashed[0], squashed[1])


def test_another_network_than_i3d_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _place_i3d(monkeypatch, tmp_path, width=512)
    with pytest.raises(MissingDependencyError, match=r"features \(1, 512\), expected \(1, 400\)"):
        I3DFeatures(device=CPU)
    i3d_place().write_bytes(b"no archive")
    with pytest.raises(MissingDependencyError, match="not StyleGAN-V's I3D: it cannot be loaded"):
        I3DFeatures(device=CPU)
