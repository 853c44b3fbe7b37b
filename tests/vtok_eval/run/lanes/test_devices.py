"""The devices of lanes: how they are written, and which are refused."""

import pytest
import torch

from vtok_eval.errors import SpecError
from vtok_eval.run.lanes import devices
from vtok_eval.run.lanes.devices import automatic_devices, check_devices, check_models, parse_devices
from vtok_eval.run.runners import device as runners_device


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cuda:0,cuda:1", ("cuda:0", "cuda:1")),
        ("cpu, cpu", ("cpu", "cpu")),
        ("cpu*3", ("cpu", "cpu", "cpu")),
        ("cuda:0,cpu * 2", ("cuda:0", "cpu", "cpu")),
    ],
)
def test_a_list_of_devices(text, expected):
    assert parse_devices(text) == expected


@pytest.mark.parametrize("text", ["", "cpu,,cpu", "cpu*0", "cpu*x", "cpu*", "*2", "cpu*-1"])
def test_a_list_that_cannot_be_read_is_refused(text):
    with pytest.raises(SpecError, match="is not a device; write auto"):
        parse_devices(text)


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "tpu:0", "cpu0"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(SpecError, match=f"device '{name}' cannot be used here"):
        check_devices(["cpu", name])


@pytest.fixture
def _gpus(monkeypatch):
    """Pretend to have two GPUs of different models."""
    models = {"cuda:0": "NVIDIA A100", "cuda": "NVIDIA A100", "cuda:1": "NVIDIA H100"}
    monkeypatch.setattr(runners_device, "choose_device", torch.device)
    monkeypatch.setattr(runners_device, "device_model", lambda chosen: models.get(str(chosen), "cpu"))


@pytest.mark.usefixtures("_gpus")
@pytest.mark.parametrize("names", [("cuda:0", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cpu", "cuda:1")])
def test_one_gpu_twice_is_refused(names):
    with pytest.raises(SpecError, match="twice; a GPU takes one lane"):
        check_devices(names, mixed_models=["NVIDIA A100", "NVIDIA H100", "cpu"])


@pytest.mark.usefixtures("_gpus")
def test_models_are_mixed_only_where_each_is_named():
    with pytest.raises(
        SpecError, match=r"\(NVIDIA A100, NVIDIA H100\).*--mix-model 'NVIDIA A100' --mix-model"
    ):
        check_devices(["cuda:0", "cuda:1"])
    with pytest.raises(SpecError, match="different models"):
        check_devices(["cuda:0", "cuda:1"], mixed_models=["NVIDIA A100"])
    check_devices(["cuda:0", "cuda:1"], mixed_models=["NVIDIA A100", "NVIDIA H100"])
    check_devices(["cpu", "cpu"])
    check_models([], mixed_models=())


def test_auto_is_a_lane_for_each_gpu_or_for_each_core(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert parse_devices("auto") == ("cuda:0", "cuda:1", "cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "cores_at_hand", lambda: 64)
    monkeypatch.setattr(devices, "_BYTES_A_CPU_LANE", 1)
    assert automatic_devices() == ("cpu",) * 8
    monkeypatch.setattr(devices, "_BYTES_A_CPU_LANE", 2**60)
    assert automatic_devices() == ("cpu",)
