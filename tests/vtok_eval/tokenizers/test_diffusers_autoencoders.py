"""diffusers' video autoencoders: tiny random-weight models of the real classes, saved and loaded by spec."""

from __future__ import annotations

import json
import math
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch

from tools.tiny_autoencoders import CONFIGS, WAN_2_2, write_model
from vtok_eval.cli.model_weights import weights_of
from vtok_eval.data import Clips, check_tokens
from vtok_eval.errors import MissingDependencyError, SpecError, TokenizerError, UnknownNameError
from vtok_eval.inputs.fitted import unfitted
from vtok_eval.results.description import Caveat
from vtok_eval.systems import DecodingTokenizer
from vtok_eval.tokenizers.autoencoders import diffusers_model
from vtok_eval.tokenizers.autoencoders.adapter import DiffusersAutoencoder
from vtok_eval.tokenizers.autoencoders.table import AUTOENCODERS, layout_of
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer

diffusers = pytest.importorskip("diffusers")

SLOW = {
    "AutoencoderKLAllegro",
    "AutoencoderKLHunyuanVideo15",
    "AutoencoderKLKVAEVideo",
    "AutoencoderKLMochi",
    "AutoencoderKLWan",
}
every_class = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in AUTOENCODERS]
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Any:
    """A function that gives the folder of a tiny model of a class, written once."""
    root = tmp_path_factory.mktemp("autoencoders")

    def folder_of(name: str) -> Path:
        if not hasattr(diffusers, name):
            pytest.skip(f"diffusers {diffusers.__version__} has no {name}")
        target = root / name
        return target if target.is_dir() else write_model(root, name, CONFIGS[name])

    return folder_of


def noise(n_clips: int, n_frames: int, height: int, width: int) -> Clips:
    generator = torch.Generator().manual_seed(n_frames)
    shape = (n_clips, n_frames, 3, height, width)
    frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return Clips(frames, torch.full((n_clips,), 8.0, dtype=torch.float64))


def test_every_class_has_a_tiny_model() -> None:
    assert set(AUTOENCODERS) == set(CONFIGS)


@pytest.mark.parametrize(
    ("name", "config", "clip", "tokens"),
    [
        # Published strides; latent frames x (256 / stride)^2 of the shortest clip from 16 frames on.
        (
            "AutoencoderKLWan",
            {"dim_mult": [1] * 4, "temperal_downsample": [False, True, True]},
            17,
            5120,
        ),
        ("AutoencoderKLWan", {**WAN_2_2, "temperal_downsample": [False, True, True]}, 17, 1280),
        (
            "AutoencoderKLCosmos",
            {"temporal_compression_ratio": 4, "spatial_compression_ratio": 8},
            17,
            5 * 32 * 32,
        ),
        (
            "AutoencoderKLCosmos",
            {"temporal_compression_ratio": 8, "spatial_compression_ratio": 8},
            17,
            3 * 32 * 32,
        ),
        (
            "AutoencoderKLHunyuanVideo15",
            {"temporal_compression_ratio": 4, "spatial_compression_ratio": 16},
            17,
            5 * 16 * 16,
        ),
        (
            "AutoencoderKLLTXVideo",
            {"spatio_temporal_scaling": (True, True, True, False), "patch_size": 4, "patch_size_t": 1},
            17,
            3 * 8 * 8,
        ),
        # 16 frames would come back as 13; 19 are the next that come back whole.
        (
            "AutoencoderKLMochi",
            {"temporal_expansions": (1, 2, 3), "spatial_expansions": (2, 2, 2)},
            19,
            4 * 32 * 32,
        ),
        ("AutoencoderKLTemporalDecoder", {"block_out_channels": (128, 256, 512, 512)}, 16, 16 * 32 * 32),
    ],
)
def test_tokens_of_a_clip_of_256_pixels(name, config, clip, tokens) -> None:
    layout = layout_of(name, config)
    assert layout.accepts.frame_rule.at_least(16) == clip
    shape = layout.latent_shape(clip, 256, 256)
    assert math.prod(shape) == tokens
    assert layout.n_frames(shape[0]) == clip
    assert len(layout.first_frames(shape[0])) == shape[0]


@every_class
def test_round_trip_alone_and_in_a_batch(name, folders, context: BuildContext) -> None:
    tokenizer = build_tokenizer(f"diffusers:{name}@{folders(name)}", context)
    assert isinstance(tokenizer, DecodingTokenizer)
    # Neither the number of frames nor the height is one that most classes keep.
    clips = noise(2, 6, 60, 64)
    tokens = tokenizer.encode(clips)
    check_tokens(tokens, n_clips=2)
    accepts = tokenizer.accepts
    frames, height, width = (
        rule.at_least(side)
        for rule, side in ((accepts.frame_rule, 6), (accepts.height_rule, 60), (accepts.width_rule, 64))
    )
    layout = layout_of(name, {**_defaults(name), **CONFIGS[name]})
    assert tokens.latent_shape == layout.latent_shape(frames, height, width)
    assert tokens.count().tolist() == [math.prod(tokens.latent_shape)] * 2
    assert int(tokens.frame.max()) < 6
    assert torch.equal(tokenizer.encode(clips.part(1, 2)).values[0], tokens.values[1])
    decoded = tokenizer.decode(tokens)
    assert decoded.frames.shape == clips.frames.shape
    # Another clip has other tokens: they depend on their input.
    assert not torch.allclose(tokens.values[0], tokens.values[1])


def _defaults(name: str) -> dict[str, Any]:
    import inspect

    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


@pytest.mark.slow
def test_wan_2_2(tmp_path, context: BuildContext) -> None:
    folder = write_model(tmp_path, "AutoencoderKLWan", WAN_2_2)
    tokenizer = unfitted(build_tokenizer(f"diffusers:AutoencoderKLWan@{folder}", context))
    tokens = tokenizer.encode(noise(1, 5, 32, 48))
    assert tokens.latent_shape == (2, 2, 3)
    assert tokenizer.decode(tokens).frames.shape == (1, 5, 3, 32, 48)


def raw_latents(name: str, folder: Path, clips: Clips) -> tuple[Any, torch.Tensor]:
    """The model and the mode of its latents, by diffusers alone."""
    model = getattr(diffusers, name).from_pretrained(folder).eval()
    with torch.no_grad():
        video = clips.frames.transpose(1, 2).float() / 127.5 - 1
        return model, model.encode(video).latent_dist.mode()


def as_volume(tokens) -> torch.Tensor:
    return tokens.values.transpose(1, 2).unflatten(2, tokens.latent_shape)


def test_a_scaling_factor_is_applied(folders) -> None:
    folder = folders("AutoencoderKLHunyuanVideo")
    clips = noise(1, 5, 32, 40)
    tokens = DiffusersAutoencoder(model=f"AutoencoderKLHunyuanVideo@{folder}").encode(clips)
    _, latents = raw_latents("AutoencoderKLHunyuanVideo", folder, clips)
    torch.testing.assert_close(as_volume(tokens), latents * 0.476986, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_means_and_deviations_of_a_config_are_applied(folders) -> None:
    folder = folders("AutoencoderKLWan")
    clips = noise(1, 5, 16, 16)
    tokens = DiffusersAutoencoder(model=f"AutoencoderKLWan@{folder}").encode(clips)
    model, latents = raw_latents("AutoencoderKLWan", folder, clips)
    # As WanPipeline has it.
    mean = torch.tensor(model.config.latents_mean).view(1, 16, 1, 1, 1)
    deviation = torch.tensor(model.config.latents_std).view(1, 16, 1, 1, 1)
    torch.testing.assert_close(as_volume(tokens), (latents - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_means_and_deviations_among_the_weights_are_applied(tmp_path) -> None:
    folder = write_model(tmp_path, "AutoencoderKLLTXVideo", CONFIGS["AutoencoderKLLTXVideo"])
    model = diffusers.AutoencoderKLLTXVideo.from_pretrained(folder)
    model.latents_mean.copy_(torch.linspace(-1, 1, 8))
    model.latents_std.copy_(torch.linspace(0.5, 2, 8))
    model.save_pretrained(folder)
    clips = noise(1, 9, 32, 64)
    tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLLTXVideo@{folder}")
    tokens = tokenizer.encode(clips)
    model, latents = raw_latents("AutoencoderKLLTXVideo", folder, clips)
    mean, deviation = (part.view(1, 8, 1, 1, 1) for part in (model.latents_mean, model.latents_std))
    torch.testing.assert_close(as_volume(tokens), (latents - mean) / deviation, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        expected = model.decode(latents).sample.transpose(1, 2)
    decoded = tokenizer.decode(tokens).frames
    levels = (expected.clamp(-1, 1) + 1) * 127.5
    # Scaled and back, latents differ in their last bits.
    assert float((decoded.float() - levels).abs().max()) < 0.51


def test_what_the_class_would_drop_without_a_word_comes_back(folders, context: BuildContext) -> None:
    folder = folders("AutoencoderKLHunyuanVideo")
    clips = noise(1, 16, 32, 32)
    model, latents = raw_latents("AutoencoderKLHunyuanVideo", folder, clips)
    with torch.no_grad():
        assert model.decode(latents).sample.shape[2] == 13
    tokenizer = build_tokenizer(f"diffusers:AutoencoderKLHunyuanVideo@{folder}", context)
    assert isinstance(tokenizer, DecodingTokenizer)
    tokens = tokenizer.encode(clips)
    assert tokens.latent_shape == (5, 4, 4)  # of 17 frames, which are paid for
    assert tokenizer.decode(tokens).n_frames == 16


def test_clips_that_the_class_would_change_are_refused_without_the_contract(folders) -> None:
    tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLCogVideoX@{folders('AutoencoderKLCogVideoX')}")
    with pytest.raises(
        TokenizerError, match=r'takes clips of frames="1\+8k", size="8k", not 5 frames of 32 x 32'
    ):
        tokenizer.encode(noise(1, 5, 32, 32))
    with pytest.raises(TokenizerError, match="not 9 frames of 60 x 32"):
        tokenizer.encode(noise(1, 9, 60, 32))


@pytest.mark.parametrize("name", ["AutoencoderKLMagvit", "AutoencoderKLCogVideoX"])
def test_a_failed_call_leaves_no_trace(name, folders) -> None:
    tokenizer = DiffusersAutoencoder(model=f"{name}@{folders(name)}")
    clips = noise(1, 9, 32, 32)
    before = tokenizer.encode(clips)

    class Interrupted(Exception):
        pass

    def fail(*_: object) -> None:
        raise Interrupted

    # In the middle of the network, where these classes have kept the first frames for the next ones.
    late = list(tokenizer._loaded.encoder.modules())[-1]
    late.register_forward_pre_hook(fail)
    with pytest.raises(Interrupted):
        tokenizer.encode(clips)
    assert torch.equal(tokenizer.encode(clips).values, before.values)


def test_frames_that_are_not_finite_are_refused(folders) -> None:
    from vtok_eval.errors import GenerationError

    tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLLTXVideo@{folders('AutoencoderKLLTXVideo')}")
    tokens = tokenizer.encode(noise(1, 1, 32, 32))
    tokens.values.fill_(float("inf"))
    with pytest.raises(GenerationError, match="NaN or infinite"):
        tokenizer.decode(tokens)


@pytest.mark.slow
def test_tiling_is_off_unless_asked_for_and_then_stated(folders, context: BuildContext) -> None:
    spec = f"diffusers:AutoencoderKLHunyuanVideo@{folders('AutoencoderKLHunyuanVideo')}"
    clips = noise(1, 1, 288, 288)
    whole, tiled = (build_tokenizer(spec + more, context) for more in ("", ":tiling=on"))
    assert describe_tokenizer(whole).options["tiling"] is False
    assert describe_tokenizer(tiled).options["tiling"] is True
    apart = (whole.encode(clips).values - tiled.encode(clips).values).abs().max()
    assert float(apart) > 1e-3
    _, latents = raw_latents("AutoencoderKLHunyuanVideo", folders("AutoencoderKLHunyuanVideo"), clips)
    torch.testing.assert_close(as_volume(whole.encode(clips)), latents * 0.476986, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_allegro_refuses_what_it_would_not_see(folders) -> None:
    tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLAllegro@{folders('AutoencoderKLAllegro')}")
    # One tile of the tiny model: 24 frames of 160 x 160.
    for clip in ((16, 160, 160), (24, 152, 160), (32, 160, 160)):
        with pytest.raises(TokenizerError, match="AutoencoderKLAllegro takes clips of"):
            tokenizer.encode(noise(1, *clip))
    assert describe_tokenizer(tokenizer).options["tiling"] is True


def test_random_weights_are_labelled_and_drawn_from_the_seed(folders, context: BuildContext) -> None:
    folder = folders("AutoencoderKLCosmos")
    clips = noise(1, 1, 32, 32)
    specs = [f"diffusers:AutoencoderKLCosmos@{folder}:random={seed}" for seed in (0, 0, 1)]
    before = torch.random.get_rng_state()
    built = [build_tokenizer(spec, context) for spec in specs]
    first, same, other = (tokenizer.encode(clips).values for tokenizer in built)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    described = describe_tokenizer(built[2])
    assert described.caveats == (Caveat.RANDOM_WEIGHTS,)
    assert described["weights"] == "random, seed 1"


def test_weights_are_known_by_their_hash(tmp_path, context: BuildContext) -> None:
    hashes = []
    for seed in (0, 0, 1):
        config = CONFIGS["AutoencoderKLTemporalDecoder"]
        folder = write_model(tmp_path / str(len(hashes)), "AutoencoderKLTemporalDecoder", config, seed=seed)
        tokenizer = build_tokenizer(f"diffusers:AutoencoderKLTemporalDecoder@{folder}", context)
        described = describe_tokenizer(tokenizer)
        assert described.caveats == ()
        hashes.append(described["checkpoint_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]
    assert described["accepts"] == 'size="8k"'
    json.dumps(described.to_json())


class TestBadInput:
    def test_the_form_of_the_spec(self, context: BuildContext, tmp_path) -> None:
        for spec, message in (
            ("diffusers", "does not say which model"),
            ("diffusers:AutoencoderKLWan", "must be CLASS@FOLDER"),
            (f"diffusers:AutoencoderKLWan@{tmp_path}/none", "no folder"),
            (f"diffusers:AutoencoderKLWan@{tmp_path}", "has no config.json"),
            (f"diffusers:AutoencoderKLWan@{tmp_path}:subfolder=vae", "vae is not a folder of a model"),
        ):
            with pytest.raises(SpecError, match=message):
                build_tokenizer(spec, context)
        with pytest.raises(UnknownNameError, match="did you mean 'AutoencoderKLWan'"):
            build_tokenizer(f"diffusers:AutoencoderKLWam@{tmp_path}", context)

    def test_a_folder_of_another_class(self, folders, context: BuildContext) -> None:
        folder = folders("AutoencoderKLCosmos")
        with pytest.raises(SpecError, match="is of the class AutoencoderKLCosmos, not AutoencoderKLWan"):
            build_tokenizer(f"diffusers:AutoencoderKLWan@{folder}", context)

    def test_a_config_that_is_not_json_or_lacks_what_counts(self, tmp_path, context: BuildContext) -> None:
        config = tmp_path / "config.json"
        config.write_text("{")
        with pytest.raises(SpecError, match="is not JSON"):
            build_tokenizer(f"diffusers:AutoencoderKLWan@{tmp_path}", context)
        config.write_text("[]")
        with pytest.raises(SpecError, match="is of the class None"):
            build_tokenizer(f"diffusers:AutoencoderKLWan@{tmp_path}", context)

    def test_no_weights_or_those_of_another_network(self, tmp_path, folders, context: BuildContext) -> None:
        source = folders("AutoencoderKLTemporalDecoder")
        (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
        spec = f"diffusers:AutoencoderKLTemporalDecoder@{tmp_path}"
        with pytest.raises(SpecError, match="holds no weights as safetensors"):
            build_tokenizer(spec, context)
        (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
        with pytest.raises(SpecError, match="does not load as AutoencoderKLTemporalDecoder"):
            build_tokenizer(spec, context).encode(noise(1, 1, 16, 16))

    def test_weights_with_missing_or_other_tensors(self, tmp_path, folders) -> None:
        from safetensors.torch import load_file, save_file

        source = folders("AutoencoderKLTemporalDecoder")
        (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
        weights = load_file(source / "diffusion_pytorch_model.safetensors")
        weights.pop(sorted(weights)[0])
        save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
        tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLTemporalDecoder@{tmp_path}")
        # diffusers would draw what is missing at random and say so in its log only.
        with pytest.raises(
            SpecError, match=r"weights are not those of AutoencoderKLTemporalDecoder: 1 missing"
        ):
            tokenizer.encode(noise(1, 1, 16, 16))

    def test_tokens_without_a_volume(self, folders) -> None:
        from vtok_eval.data import Tokens

        tokenizer = DiffusersAutoencoder(model=f"AutoencoderKLCosmos@{folders('AutoencoderKLCosmos')}")
        with pytest.raises(TokenizerError, match="no latent_shape"):
            tokenizer.decode(Tokens.of(torch.zeros(1, 8, 4)))

    def test_a_class_that_this_diffusers_lacks(self, tmp_path, monkeypatch, context: BuildContext) -> None:
        monkeypatch.setattr(diffusers_model, "AUTOENCODERS", {**AUTOENCODERS, "AutoencoderKLNew": None})
        (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKLNew"}')
        with pytest.raises(MissingDependencyError, match="has no AutoencoderKLNew: it needs a later one"):
            build_tokenizer(f"diffusers:AutoencoderKLNew@{tmp_path}", context)

    def test_without_diffusers(self, folders, monkeypatch, context: BuildContext) -> None:
        def missing(name: str) -> str:
            raise PackageNotFoundError(name)

        folder = folders("AutoencoderKLCosmos")
        monkeypatch.setattr(diffusers_model, "version", missing)
        with pytest.raises(MissingDependencyError, match=r"pip install 'vtok-eval\[diffusers\]'"):
            build_tokenizer(f"diffusers:AutoencoderKLCosmos@{folder}", context)


class TestHub:
    def test_a_model_that_is_not_here_names_the_command(self, context, monkeypatch, tmp_path) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        spec = "diffusers:AutoencoderKLWan@some-owner/some-pipeline:subfolder=vae"
        with pytest.raises(MissingDependencyError) as caught:
            build_tokenizer(spec, context)
        assert "vae of huggingface.co/some-owner/some-pipeline" in str(caught.value)
        assert f"vtok-eval fetch {spec}" in str(caught.value)
        (weights,) = weights_of(spec)
        assert weights.missing() == str(caught.value)

    def test_fetch_takes_the_autoencoder_alone(self, monkeypatch) -> None:
        import huggingface_hub

        asked: dict[str, object] = {}

        def download(repository: str, **options: object) -> str:
            asked.update(options, repository=repository)
            return "/nowhere"

        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        (weights,) = weights_of("diffusers:AutoencoderKLWan@some-owner/some-pipeline:subfolder=vae")
        weights.fetch()
        assert asked["repository"] == "some-owner/some-pipeline"
        assert asked["allow_patterns"] == [
            "vae/config.json",
            "vae/*.safetensors",
            "vae/*.safetensors.index.json",
        ]

    def test_a_local_folder_has_nothing_to_fetch(self) -> None:
        with pytest.raises(SpecError, match="write CLASS@OWNER/NAME"):
            weights_of("diffusers:AutoencoderKLWan@./models/wan/vae")
