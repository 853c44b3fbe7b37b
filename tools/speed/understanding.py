"""How much of a run's wall time passes inside the model: 1,000 questions on 200 clips, a tiny model, a CPU.

    python -m tools.speed.understanding [--clips 200] [--questions 5] [--threads 1] [--whole-prompts]

Makes everything it needs in a temporary folder: rendered clips as MP4, questions about them in TOMATO's
layout, and a LLaVA-OneVision of transformers with random weights. Then it runs the real harness (plan,
decoding, processor, model, journal, scores) and tells how many seconds of it the model's `forward` took, how
often clips were decoded, and how often they passed the vision tower. Needs the extra `hf`.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.byte_tokenizer import byte_tokenizer

N_FRAMES, SIZE, SHOWN = 32, 128, 8
"""Of a clip: frames and side in pixels on disk, frames that the model is shown."""

_TEMPLATE = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'video' %}<video>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}\nASSISTANT:\n{% endif %}"
)


@dataclass
class Account:
    """What a run took. forward_seconds: inside the model's `forward`, all passes together.

    job_seconds: of the job alone: from the first clip to the last record, model loading included.
    """

    questions: int = 0
    wall_seconds: float = 0.0
    job_seconds: float = 0.0
    forward_seconds: float = 0.0
    forward_passes: int = 0
    tower_passes: int = 0
    decoded: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Of the run's wall time inside `forward`."""
        return self.forward_seconds / self.wall_seconds

    def as_json(self) -> dict[str, Any]:
        """The figures, and the share."""
        decoded = {"clips": len(self.decoded), "times": self.decoded.total()}
        return {**asdict(self), "decoded": decoded, "share": round(self.share, 4)}


def measure(*, n_clips: int, per_clip: int, threads: int, share_prefix: bool, folder: Path) -> Account:
    """Make data and model in `folder`, run the harness once, and account for its time."""
    import torch

    torch.set_num_threads(threads)
    os.environ["VTOK_EVAL_CACHE"] = str(folder / "cache")
    write_data(folder / "data", n_clips=n_clips, per_clip=per_clip)
    write_model(folder / "model")
    return _run(folder, share_prefix=share_prefix)


def _run(folder: Path, *, share_prefix: bool) -> Account:
    from vtok_eval.run.harness import Harness, RunSettings
    from vtok_eval.run.suite import parse_suite

    answerer = f"hf:{folder}/model,frames={SHOWN},scoring=labels,share_prefix={share_prefix}"
    suite = {
        "name": "speed",
        "label": "random weights: its time counts, its answers do not",
        "setting": "custom",
        "systems": [answerer],
        "benchmarks": [
            {"name": "tomato", "options": {"data": str(folder / "data"), "short_side": None, "frames": SHOWN}}
        ],
    }
    harness = Harness(
        parse_suite(json.dumps(suite), origin="speed"), RunSettings(device="cpu"), cache=folder / "cache"
    )
    account = Account()
    with _counted_decoding(account), _timed_model(account):
        started = time.perf_counter()
        summary = harness.run(folder / "run")
        account.wall_seconds = round(time.perf_counter() - started, 3)
    account.questions = summary.new_samples
    session = json.loads((folder / "run/run.json").read_text())["sessions"][0]
    account.job_seconds = sum(session["jobs"].values())
    if summary.failed:
        raise RuntimeError(f"{len(summary.failed)} questions failed: {summary.failed[0].reason}")
    return account


@contextmanager
def _counted_decoding(account: Account) -> Iterator[None]:
    from vtok_eval.video.sources import VideoFile

    load = VideoFile.load

    def counted(self: VideoFile) -> Any:
        account.decoded[str(self.path)] += 1
        return load(self)

    VideoFile.load = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        VideoFile.load = load  # type: ignore[method-assign]


@contextmanager
def _timed_model(account: Account) -> Iterator[None]:
    """Time what every model that is loaded within does in `forward`, and count the vision tower's passes."""
    from vtok_eval.answerers.language_models import hf

    load = hf._load_model

    def timed_load(folder: Any, dtype: str, device: Any) -> Any:
        model = load(folder, dtype, device)
        model.forward = _timed(model.forward, account)
        model.model.get_video_features = _counted(model.model.get_video_features, account)
        return model

    hf._load_model = timed_load
    try:
        yield
    finally:
        hf._load_model = load
        account.forward_seconds = round(account.forward_seconds, 3)


def _counted(method: Callable[..., Any], account: Account) -> Callable[..., Any]:
    @functools.wraps(method)
    def counted(*args: Any, **kwargs: Any) -> Any:
        account.tower_passes += 1
        return method(*args, **kwargs)

    return counted


def _timed(forward: Callable[..., Any], account: Account) -> Callable[..., Any]:
    # generate() looks at the signature of the method.
    @functools.wraps(forward)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return forward(*args, **kwargs)
        finally:
            account.forward_seconds += time.perf_counter() - started
            account.forward_passes += 1

    return timed


def write_data(folder: Path, *, n_clips: int, per_clip: int) -> None:
    """Rendered clips as MP4, and `per_clip` questions about each, in TOMATO's layout."""
    import pyarrow
    import pyarrow.parquet

    from vtok_eval.scenes.dataset import SceneSet
    from vtok_eval.video.encode import encode

    (folder / "data").mkdir(parents=True)
    (folder / "videos").mkdir()
    rows: list[Mapping[str, Any]] = []
    for number, scene in enumerate(SceneSet(0, "test", n_clips, size=SIZE, n_frames=N_FRAMES).clips()):
        encode(scene.load(), folder / f"videos/{number}.mp4")
        rows += [
            {
                "id": f"{number}-{each}",
                "question": f"What does the {each}. thing that moves do?",
                "options": ["It turns.", "It stops.", "It goes left.", "It goes right."],
                "answer": each % 4,
                "reason_type": "direction",
                "demonstration_type": "object",
                "video_path": f"videos/{number}.mp4",
            }
            for each in range(per_clip)
        ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "data/test-0.parquet")


def write_model(folder: Path) -> None:
    """A LLaVA-OneVision with random weights: 4 layers of width 256 in either tower, one token a byte."""
    import torch
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
        Qwen2Config,
        SiglipVisionConfig,
    )

    shape = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    tokenizer = byte_tokenizer(["<video>", "<image>"])
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**shape, image_size=56, patch_size=7, vision_use_head=False),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=8192, **shape
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
    )
    size = {"height": 56, "width": 56}
    torch.manual_seed(0)
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(folder)
    LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=[[56, 56]]),
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=64,
        vision_feature_select_strategy="full",
        chat_template=_TEMPLATE,
    ).save_pretrained(folder)


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--questions", type=int, default=5, help="per clip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--whole-prompts", action="store_true", help="share no prefix")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        account = measure(
            n_clips=arguments.clips,
            per_clip=arguments.questions,
            threads=arguments.threads,
            share_prefix=not arguments.whole_prompts,
            folder=Path(folder),
        )
    sys.stdout.write(json.dumps(account.as_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
