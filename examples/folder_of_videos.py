"""Makes a folder of videos, named as VBench and TV-Align expect, and the prompts that go with it.

python examples/folder_of_videos.py my_videos

The files are called `{prompt}-{index}.mp4`. The clips are rendered scenes, whose questions the judge `oracle`
can answer: it measures pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.video.encode import encode


def make(folder: Path, *, n_videos: int = 4) -> Path:
    """Write the videos into `folder` and their prompts next to it; returns the prompt file."""
    folder.mkdir(parents=True, exist_ok=True)
    counting = [item.entry for item in scene_prompts(per_level=n_videos) if item.category == "counting"]
    chosen = [prompt for prompt in counting if prompt.level == "basic"][:n_videos]
    clips = reference_clips(scene_prompts(per_level=n_videos))
    for prompt in chosen:
        encode(clips[prompt.id].load(), folder / f"{prompt.text}-0.mp4")
    prompts = folder.with_name(f"{folder.name}_prompts.json")
    content = {
        "suite": "examples",
        "version": 1,
        "source": "rendered scenes",
        "category": "counting",
        "prompts": [prompt.model_dump() for prompt in chosen],
    }
    prompts.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return prompts


if __name__ == "__main__":
    sys.stdout.write(f"{make(Path(sys.argv[1]))}\n")
