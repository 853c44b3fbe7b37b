"""Counts the parameters of open_clip's published models: messages about missing weights give their size.

python -m tools.open_clip_parameters    writes vtok_eval/tokenizers/backbones/open_clip_parameters.json
Needs timm 1.0.20 or later; earlier ones cannot build a model without its data. Run it with HF_HUB_OFFLINE=1:
models whose text tower is described on the Hugging Face hub only are left out.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

TARGET = Path(__file__).parents[1] / "vtok_eval/tokenizers/backbones/open_clip_parameters.json"


def parameters(name: str) -> int:
    """Numbers in the model's state dict; nothing is allocated."""
    import open_clip
    import torch

    with torch.device("meta"):
        model = open_clip.create_model(name, pretrained=None, pretrained_hf=False, device="meta")
    return sum(tensor.numel() for tensor in model.state_dict().values())


def main() -> None:
    """Write the table: model -> parameters."""
    import open_clip

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
