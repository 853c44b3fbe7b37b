"""Everything that computes names its device: run on a pretended GPU, where mixing devices raises."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from benchmarks.understanding.questions.probe.network import ChoiceProbe, ChoiceReader, as_rows, begin_best
from benchmarks.understanding.questions.probe.sentences.encoders import ENCODERS, build_encoder
from benchmarks.understanding.questions.probe.sentences.minilm_package import installed_minilm
from benchmarks.understanding.scenes.targets import Targets, loss_of
from benchmarks.understanding.scenes.training import begin_answers
from tests.fake_device import CUDA, gpu, on_gpu, pretended_gpu
from tv_align.scenes.words import VOCABULARY
from tv_align.tracks.tokens.probe import QuestionProbe, QuestionReader
from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.decoders.architecture import PLACES, ClipDecoder, DecoderShape
from vtok_eval.decoders.catalogue import SHIPPED
from vtok_eval.decoders.files import DecoderFile, decoder_files
from vtok_eval.decoders.layout import TokenLayout
from vtok_eval.decoders.network import TokenDecoder
from vtok_eval.decoders.objects import MOST_OBJECTS, Truth
from vtok_eval.decoders.training.losses import loss_parts, weighted
from vtok_eval.devices.checks import checks_put_off
from vtok_eval.devices.transfer import Download, transfer_to
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fitted import fitted, unfitted
from vtok_eval.probes.attentive import AttentionShape, AttentiveProbe, JoinGroups, TokenReader
from vtok_eval.probes.features import FeatureTable, Statistics, begin_features
from vtok_eval.probes.half_precision import N_KINDS
from vtok_eval.probes.ridge.kernel_ridge import ClipVectors, Kernel, RidgePath
from vtok_eval.registry import ANSWERERS, BACKBONES, TOKENIZERS
from vtok_eval.run.runners.held import HeldClips
from vtok_eval.scenes.vocabulary import ATTRIBUTES
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
BUILT = BuildContext(device=CPU)
"""Its backbones are built once, and copied to the pretended GPU for each test."""
PACKAGES = ("vtok_eval", "benchmarks", "tv_align")

TOKENIZER_SPECS = {
    "frames": "frames-2",
    "pooled": "pooled:segments=2",
    "slowfast": "slowfast:slow=1,fast=4",
    "merged": "merged:count=20",
}
"""Specs of tokenizers whose name alone is none; any other is built by its name."""
BACKBONE_SPECS = {"open_clip": "open_clip:tiny-here:random=0"}

NEEDS_VALUES = {
    "codec": "encodes and decodes video files, on the CPU",
    "motion-vectors": "encodes the frames to read the codec's motion vectors, on the CPU",
}
"""Tokenizers that cannot run without values, and why."""
BY_ITSELF = {"diffusers"}
"""Tokenizers that need files and have a test of their own."""

OFF_DEVICE: dict[str, str] = {
    "hf": "transformers places its models; tests/vtok_eval/answerers run it with tiny models",
    "vtok-llava": "its projection is tested here; the language model is transformers'",
    "endpoint": "computes on another machine",
    "replay": "reads answers from a file",
}
"""Answerers without a network of ours, and why."""


@pytest.fixture(scope="module", autouse=True)
def tiny_tower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`open_clip:tiny-here`: a vision tower and a text tower of the real classes."""
    import open_clip

    folder = tmp_path_factory.mktemp("configs")
    vision = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (folder / "tiny-here.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIGS.pop("tiny-here")


@pytest.fixture
def mode() -> Iterator[FakeTensorMode]:
    with pretended_gpu() as mode:
        yield mode


def built(make: Callable[[], Any]) -> Any:
    """What `make` builds, on the CPU and with real values."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():
        return make()


def some_clips(where: str) -> Clips:
    """Two clips of four frames, as the runner hands them over, or all on the GPU."""
    frames = torch.empty(4, 3, 64, 64, dtype=torch.uint8, device="cpu")
    held = HeldClips.holding([Clip(frames, 4.0)] * 2, CUDA)
    return held if where == "held" else Clips(held.frames, held.fps)


def check_on_gpu(*tokens: Tokens) -> None:
    for each in tokens:
        parts = (each.values, each.mask, each.kind, each.frame)
        assert [part.device for part in parts] == [CUDA] * 4


def test_mixing_devices_raises(mode) -> None:
    """The test of the test."""
    with pytest.raises(RuntimeError, match="devices"):
        gpu(2) + torch.zeros(2, device="cpu")


@pytest.mark.parametrize("where", ["held", "on the GPU"])
@pytest.mark.parametrize("backbone", sorted(BACKBONES))
@pytest.mark.parametrize("name", sorted(set(TOKENIZERS) - set(NEEDS_VALUES) - BY_ITSELF))
def test_tokenizers(name: str, backbone: str, where: str, mode) -> None:
    def build() -> Any:
        spec = TOKENIZER_SPECS.get(name, name)
        tokenizer = build_tokenizer(spec, BUILT)
        if not hasattr(tokenizer, "backbone"):
            return tokenizer
        joint = "," if ":" in spec else ":"
        return build_tokenizer(f"{spec}{joint}backbone=({BACKBONE_SPECS.get(backbone, backbone)})", BUILT)

    tokenizer = on_gpu(built(build), mode)
    clips = some_clips(where)
    check_on_gpu(tokenizer.encode(clips))
    if hasattr(tokenizer, "features"):
        check_on_gpu(*tokenizer.features(clips))


class Behind:
    """A built-in tokenizer that declares a contract."""

    def __init__(self, inner: Any, accepts: Accepts) -> None:
        self.inner, self.accepts = inner, accepts

    def encode(self, clips: Clips) -> Tokens:
        return self.inner.encode(clips)


class Coded:
    """Codes of two books, from the mean of each frame; `table`: vectors of its own."""

    def __init__(self, accepts: Accepts, table: torch.Tensor | None) -> None:
        self.accepts, self.table = accepts, table

    def encode(self, clips: Clips) -> Tokens:
        codes = clips.frames.float().mean(dim=(2, 3, 4)).long()[:, :, None].expand(-1, -1, 2)
        return Tokens.codes(codes, codebook_size=256, embedding=self.table)


CONTRACTS = {
    "any": Accepts(),
    "windows": Accepts(frames=3, most=3),
    "longer": Accepts(frames="1+8k"),
    "padded": Accepts(size="48k"),
    "resized": Accepts(size=32),
    "cropped": Accepts(size="48k", fit_size="crop"),
    "another rate": Accepts(fps=2.0),
}


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("kind", ["values", "codes", "codes with vectors"])
def test_contracts_and_codes(kind: str, contract: str, mode) -> None:
    """Only their checks look at values, and these are put off: see `checks_put_off`."""

    def build() -> Any:
        accepts = CONTRACTS[contract]
        if kind == "values":
            return fitted(Behind(build_tokenizer("frames-2", BUILT), accepts))
        return fitted(Coded(accepts, torch.zeros(2, 256, 4) if kind == "codes with vectors" else None))

    tokenizer = on_gpu(built(build), mode)
    with checks_put_off() as checks:
        check_on_gpu(tokenizer.encode(some_clips("held")))
    assert checks
    for check in checks:
        with pytest.raises(GuardOnDataDependentSymNode):
            check.get()
    begun = begin_features(tokenizer, some_clips("held"))
    with pytest.raises(GuardOnDataDependentSymNode):
        begun.get()


def test_readers_answers_are_asked_for_on_the_device(monkeypatch, mode) -> None:
    """Of attributes, of questions with and without options: what is brought to the host is all there is."""
    brought: list[torch.Tensor] = []
    download = transfer_to(CUDA).download

    def noted(tensor: torch.Tensor) -> Download:
        brought.append(tensor)
        return download(tensor)

    monkeypatch.setattr(transfer_to(CUDA), "download", noted)
    attributes = tuple(ATTRIBUTES)
    classes = {each.name: len(each.labels) for each in attributes}
    reader = on_gpu(built(lambda: TokenReader(JoinGroups(), AttentiveProbe(PROBE, n_classes=classes))), mode)
    begin_answers(reader, built(lambda: table_of(CPU, n_clips=1)), attributes, device=CUDA)
    begin_best(gpu(1, 4))
    begin_best(gpu(3, 5))
    assert [each.device for each in brought] == [CUDA] * (len(attributes) + 2)
    assert [tuple(each.shape) for each in brought[-2:]] == [(1,), (3,)]


def test_diffusers_autoencoder(tmp_path: Path, mode) -> None:
    """A tiny one, behind its contract: what that checks of tokens are values."""
    pytest.importorskip("diffusers")
    name = "AutoencoderKLCosmos"

    def build() -> Any:
        from tools.tiny_autoencoders import CONFIGS, write_model

        folder = write_model(tmp_path, name, CONFIGS[name])
        tokenizer = unfitted(build_tokenizer(f"diffusers:{name}@{folder}", BUILT))
        tokenizer.encode(Clips(torch.zeros(1, 17, 3, 64, 64, dtype=torch.uint8), torch.ones(1).double()))
        return tokenizer

    tokenizer = on_gpu(built(build), mode)
    frames = torch.empty(17, 3, 64, 64, dtype=torch.uint8, device="cpu")
    tokens = tokenizer.encode(HeldClips.holding([Clip(frames, 8.0)] * 2, CUDA))
    check_on_gpu(tokens)
    # Decoded; then it is asked whether the values are finite.
    with pytest.raises(GuardOnDataDependentSymNode):
        tokenizer.decode(tokens)


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_backbones(name: str, precision: str, mode) -> None:
    backbone = on_gpu(built(lambda: BUILT.backbone(BACKBONE_SPECS.get(name, name))), mode)
    backbone.precision = precision
    frames = torch.empty(70, 3, 40, 56, dtype=torch.uint8, device="cpu")  # more than one pass
    for given in (frames, frames.to(CUDA)):
        maps = backbone.maps(given)
        assert (maps.device, maps.dtype) == (CUDA, torch.float16)
    features = backbone.features(list(frames), [1, 2])
    assert {kept.device for kept in features.values()} == {CUDA}


def table_of(device: torch.device, *, n_clips: int = 6, width: int = 12) -> FeatureTable:
    """The features of clips of 4 frames with 4 spatial tokens and 3 of motion."""
    groups = []
    for length, kind in ((4, 0), (3, 1)):
        values = torch.zeros(n_clips, length, width, dtype=torch.float16, device=device)
        mask = torch.ones(n_clips, length, dtype=torch.bool, device=device)
        kinds = torch.full((n_clips, length), kind, dtype=torch.int64, device=device)
        groups.append(Tokens(values, mask, kinds, torch.zeros_like(kinds)))
    slot = torch.zeros(n_clips, 7, dtype=torch.int64, device=device)
    return FeatureTable(tuple(groups), slot)


PROBE = AttentionShape(token_width=12, n_slots=4, n_frames=4, width=16, heads=2)


def check_loss(loss: torch.Tensor) -> None:
    """The loss is on the GPU. Its gradient is not computed: torch's engine asks the driver for the device."""
    assert (loss.device, tuple(loss.shape)) == (CUDA, ())
    assert loss.requires_grad


def test_attribute_probe_and_its_loss(mode) -> None:
    attributes = tuple(ATTRIBUTES)
    classes = {each.name: len(each.labels) for each in attributes}
    reader = built(lambda: TokenReader(JoinGroups(), AttentiveProbe(PROBE, n_classes=classes)))
    reader = on_gpu(reader, mode)
    targets = built(lambda: Targets.of(attributes, [{}] * 6))
    index = torch.arange(6, device="cpu")
    groups, slot = built(lambda: table_of(CPU)).select(index, device=CUDA)
    check_loss(loss_of(reader(groups, slot), targets.select(index, device=CUDA)))


def test_choice_probe_and_its_loss(mode) -> None:
    reader = built(lambda: ChoiceReader(JoinGroups(), ChoiceProbe(PROBE, text_width=8)))
    reader = on_gpu(reader, mode)
    groups, slot = built(lambda: table_of(CPU)).select(torch.arange(6, device="cpu"), device=CUDA)
    # The sentences' vectors are on the GPU, the rows that questions name on the CPU.
    vectors = gpu(20, 8)
    rows = torch.zeros(6, 3, dtype=torch.int64, device="cpu")
    question, options = as_rows(vectors, rows[:, 0]), as_rows(vectors, rows)
    listed = torch.ones(6, 3, dtype=torch.bool, device=CUDA)
    scores = reader.choose(groups, slot, question, options, listed)
    named = reader.name(groups, slot, question, as_rows(vectors, rows[0]))
    answer = rows[:, 0].to(CUDA)
    cross_entropy = torch.nn.functional.cross_entropy
    check_loss(cross_entropy(scores, answer) + cross_entropy(named, answer))


def test_question_probe(mode) -> None:
    reader = built(lambda: QuestionReader(JoinGroups(), QuestionProbe(PROBE, n_words=len(VOCABULARY))))
    reader = on_gpu(reader, mode)
    groups, slot = built(lambda: table_of(CPU)).select(torch.arange(6, device="cpu"), device=CUDA)
    asked, claimed = gpu(5, len(VOCABULARY)), gpu(5, len(VOCABULARY))
    logits = reader.says_yes(groups, slot, asked, claimed)
    true = torch.zeros_like(logits)
    check_loss(torch.nn.functional.binary_cross_entropy_with_logits(logits, true))


def test_probe_optimizer(mode) -> None:
    from vtok_eval.probes.optimizers import StackedMuon

    layer = on_gpu(built(lambda: torch.nn.Linear(8, 4)), mode)
    optimizer = StackedMuon([layer.weight], lr=0.02, weight_decay=0.1)
    layer.weight.grad = gpu(4, 8)
    optimizer.step()
    assert layer.weight.device == CUDA


def test_ridge(mode) -> None:
    """Which places clips have tokens at is found on the CPU: their number depends on the data."""
    vectors = {(0, 0): gpu(6, 48), (1, 1): gpu(6, 36)}
    clips = ClipVectors(6, {}, vectors)
    distances = clips.squared_distances(clips)
    kernel = Kernel(tuple(distances), (1.0, 2.0)).between(distances, (6, 6))
    path = RidgePath.of(kernel, gpu(6, 5))
    assert (kernel @ path.coefficients(0.1)).device == CUDA


@pytest.mark.parametrize("file", decoder_files(SHIPPED)[::3], ids=lambda file: file.system)
def test_decoders_and_their_loss(file: DecoderFile, mode) -> None:
    layout = TokenLayout.from_json(file.facts["layout"])
    shape = DecoderShape(**file.facts["shape"])
    decoder = built(lambda: TokenDecoder(JoinGroups(), ClipDecoder(shape, layout)))
    decoder = on_gpu(decoder, mode)
    values = gpu(2, len(layout), shape.token_width)
    frames = torch.arange(3, device=CUDA)
    maps = decoder((Tokens.of(values),), frames).flatten(0, 1)
    places = (6, MOST_OBJECTS)
    truth = Truth(
        torch.zeros(places, dtype=torch.int64, device=CUDA),
        torch.zeros(places, dtype=torch.int64, device=CUDA),
        gpu(*places, 2),
        gpu(*places),
    )
    backdrop = gpu(6, 3, PLACES, PLACES, dtype=torch.uint8)
    check_loss(weighted(loss_parts(maps, truth, backdrop)))


def test_projection_of_an_answerer(mode) -> None:
    projection = on_gpu(built(lambda: VisualProjection(12, 32, seed=0)), mode)
    assert projection(gpu(2, 7, 12)).device == CUDA


@pytest.mark.parametrize("name", sorted(ANSWERERS))
def test_answerers(name: str, mode) -> None:
    if name in OFF_DEVICE:
        return
    answerer = on_gpu(built(lambda: ANSWERERS.resolve(name)("tiny-here:random=0", device=CPU)), mode)
    frames = torch.empty(3, 3, 48, 64, dtype=torch.uint8, device="cpu")
    embedded = answerer._frame_embeddings(frames)
    assert embedded.device == CUDA
    scores = answerer._scores(embedded, ["a", "b"])
    assert (scores.device, tuple(scores.shape)) == (CUDA, (2,))


def test_standardising(mode) -> None:
    means = built(lambda: Statistics((torch.zeros(N_KINDS, 12),) * 2, (torch.ones(N_KINDS, 12),) * 2))
    table = on_gpu(means, mode).standardise(table_of(CUDA))
    assert {group.values.device for group in table.groups} == {CUDA}


ENCODER_SPECS = {"open_clip": "open_clip:tiny-here:random=0"}
NO_ENCODER = {"sentence-transformers": "the package places its models itself"}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_sentence_encoders(name: str, mode) -> None:
    if name in NO_ENCODER:
        return
    if name == "minilm" and installed_minilm() is None:
        pytest.skip("MiniLM is not installed")
    encoder = on_gpu(built(lambda: build_encoder(ENCODER_SPECS.get(name, name), device=CPU)), mode)
    vectors = encoder.encode(["one sentence", "and another one"])
    assert (vectors.device, tuple(vectors.shape)) == (CPU, (2, encoder.width))


RANDOM = {"randn", "rand", "randint", "randperm", "normal", "multinomial", "bernoulli", "Generator"}
MADE = {"zeros", "ones", "full", "empty", "arange", "linspace", "eye", "tensor"}


def without_device(path: Path) -> list[str]:
    """Calls of torch that make a tensor or a generator and do not say where."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}: torch.{call.func.attr}"
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "torch"
        and call.func.attr in RANDOM | MADE
        and not any(keyword.arg == "device" for keyword in call.keywords)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_generator_and_tensor_names_its_device(package: str) -> None:
    found = [line for path in sorted((ROOT / package).rglob("*.py")) for line in without_device(path)]
    assert found == []


def test_the_search_finds_what_it_should(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "code.py"
    path.write_text("import torch\na = torch.zeros(2)\nb = torch.rand(2, device='cpu')\ntorch.Generator()\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert without_device(path) == ["code.py:2: torch.zeros", "code.py:4: torch.Generator"]
