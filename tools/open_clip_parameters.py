"""Lists open_clip's published models, where their weights are and how many parameters they have.

Messages about missing weights give their size; `vtok-eval doctor` looks for files without loading open_clip.

python -m tools.open_clip_parameters    writes open_clip_published.json and open_clip_parameters.json
                                        into vtok_eval/tokenizers/backbones/
Needs timm 1.0.20 or later; earlier ones cannot build a model without its data. Run it with HF_HUB_OFFLINE=1:
models whose text tower is described on the Hugging Face hub only are left out.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "vtok_eval/tokenizers/backbones"
TARGET = FOLDER / "open_clip_parameters.json"
PUBLISHED = FOLDER / "open_clip_published.json"


def parameters(name: str) -> int:
    """Numbers in the model's state dict; nothing is allocated."""
    import open_clip
    import torch

    with torch.device("meta"):
        model = open_clip.create_model(name, pretrained=None, pretrained_hf=False, device="meta")
    return sum(tensor.numel() for tensor in model.state_dict().values())


def published() -> dict[str, dict[str, str]]:
    """Of every model and its tags, NAME/TAG, where the weights are: repository on the hub, or address."""
    import open_clip

    found = {}
    for name, tag in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(name, tag)
        found[f"{name}/{tag}"] = {key: entry[key] for key in ("hf_hub", "url") if entry.get(key)}
    return dict(sorted(found.items()))


def main() -> None:
    """Write both tables."""
    import open_clip

    PUBLISHED.write_text(json.dumps(published(), indent=0) + "\n", encoding="utf-8")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    counted: dict[str, int] = {}
    for name in sorted({name for name, _ in open_clip.list_pretrained()}):
        try:
            counted[name] = parameters(name)
        except OSError as error:  # its text tower's configuration is on the hub
            sys.stderr.write(f"{name} left out: {str(error)[:80]}\n")
    TARGET.write_text(json.dumps(counted, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
