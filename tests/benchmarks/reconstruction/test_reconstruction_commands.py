"""The command line's part: `vtok-eval data PRESET` and `vtok-eval doctor reconstruction`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.reconstruction.doctor import doctor, lines
from benchmarks.reconstruction.frechet.i3d import i3d_place
from vtok_eval.errors import MissingDependencyError


def test_data_of_a_preset_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from benchmarks.commands import data

    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    app = typer.Typer()
    app.command()(data)
    done = CliRunner().invoke(app, ["ucf101"])
    assert done.exit_code == 1
    assert f"folder: {tmp_path / 'reconstruction' / 'ucf101'}" in done.output
    assert "there is no such folder" in done.output
    assert "to do: UCF101.rar" in done.output
    assert "--set preset=ucf101 --set protocol=larp" in done.output


def test_weights_are_listed_and_fetched_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from vtok_eval.cli.model_weights import fetch, weights_of
    from vtok_eval.errors import UnknownNameError

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    asked: list[tuple[str, str | None]] = []

    def download(url: str, place: str, hash_prefix: str | None) -> None:
        asked.append((url, hash_prefix))
        Path(place).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert "SHA-256 397923af" in weights_of("lpips:vgg")[0].missing()
    assert [path.name for path in fetch(["lpips:alex", "i3d"])] == [
        "alexnet-owt-7be5be79.pth",
        "i3d_torchscript.pt",
    ]
    assert asked[0] == ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79")
    assert weights_of("lpips:alex")[0].find() == tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth"
    with pytest.raises(UnknownNameError, match="did you mean 'alex'"):
        weights_of("lpips:alexx")


def test_doctor_names_file_hash_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    said = "\n".join(lines())
    assert f"lpips=vgg: LPIPS (VGG-16) needs {tmp_path}/hub/checkpoints/vgg16-397923af.pth" in said
    assert "frechet_i3d: rFVD needs StyleGAN-V's I3D" in said
    assert "frechet_transnetv2: ready" in said
    place = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"another file")
    i3d_place().parent.mkdir()
    i3d_place().write_bytes(b"some file")
    said = "\n".join(lines(hashes=True))
    assert "NOT the published file, whose SHA-256 begins 397923af" in said
    assert f"frechet_i3d: {i3d_place()}, SHA-256 " in said
    assert doctor(fetch=False, hashes=False) == 0
    with pytest.raises(MissingDependencyError, match="fetches nothing"):
        doctor(fetch=True, hashes=False)
