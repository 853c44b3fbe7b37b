"""Which weights `vtok-llava:...` needs on this machine."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.answerers.language_models.checkpoint_folder import language_model_weights
from vtok_eval.answerers.training.saved.checkpoint import read_checkpoint, reader_folders
from vtok_eval.files.weights import WeightsOf


def vtok_llava_weights(argument: str | None) -> WeightsOf:
    """What `vtok-llava:...` needs: of a trained reader's folder, the language model that it began with.

    Example:
        >>> vtok_llava_weights("Qwen/Qwen3-0.6B,tokenizer=vtok").kind
        'answerer'
    """
    folders = [] if argument is None else reader_folders(Path(argument.split(",")[0].strip()))
    if not folders:
        return language_model_weights("vtok-llava", argument)
    base = read_checkpoint(folders[0]).base
    if base is None or Path(base["model"]).is_dir():
        return WeightsOf("answerer", "vtok-llava", note="its language model is on this machine")
    return language_model_weights("vtok-llava", base["model"])
