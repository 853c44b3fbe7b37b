"""`vtok-llava`: a language model that reads a tokenizer's tokens, as in VTok (arXiv 2602.04202)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from vtok_eval.answerers.language_models.checkpoint_folder import (
    checkpoint_folder,
    describe_checkpoint,
    load_language_model,
    need_transformers,
)
from vtok_eval.answerers.language_models.hf import Scoring
from vtok_eval.answerers.language_models.text_prompt import Template
from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel
from vtok_eval.answerers.language_models.visual_projection import VisualProjection, load_reader
from vtok_eval.answerers.loaded_when_asked import LoadedWhenAsked
from vtok_eval.answerers.training.saved.checkpoint import reader_folders
from vtok_eval.answerers.training.saved.loading import build_trained_readers
from vtok_eval.answerers.training.tokens.source import build_reader_tokenizer, matched_names
from vtok_eval.data import Clips
from vtok_eval.errors import SpecError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.results.description import Caveat, joined_caveats
from vtok_eval.specs.binding import bind, effective_options
from vtok_eval.specs.grammar import parse_options
from vtok_eval.systems import Tokenizer


def build_vtok_llava(
    argument: str, *, device: torch.device, names: Mapping[str, str] | None = None
) -> LoadedWhenAsked:
    """What `vtok-llava:LANGUAGE_MODEL,tokenizer=SPEC,checkpoint=FILE,...` or `vtok-llava:READER` names.

    READER: the folder of a reader that `vtok-eval train reader` has written, or of several that differ in
    their seed; see `build_trained_readers`.
    LANGUAGE_MODEL: a local folder, or a hub name that the local cache holds or can fetch. tokenizer: a spec,
    in parentheses, `(vtok:grid=4,stride=6,checkpoint=g.safetensors)`. checkpoint: see
    `visual_projection.load_reader`; without one, `random=SEED` draws a projection, which says nothing about
    the tokens. template: "chat" is the language model's own, "vicuna" that of LLaVA-1.5. scoring,
    per_token, max_new_tokens, dtype: as for `hf:`. names: the suite's systems, name -> spec, which
    `match:NAME` may name.

    Raises:
        SpecError, UnknownNameError: an option, the folder, the checkpoint or the tokenizer cannot be used.
        MissingDependencyError: transformers or the language model is not there.
    """
    from vtok_eval.tokenizers.build import describe_tokenizer

    written = dict(parse_options(argument, spec=f"vtok-llava:{argument}", subject="language_model"))
    reader = Path(written.get("language_model", "")).expanduser()
    if "language_model" in written and reader_folders(reader):
        del written["language_model"]
        return build_trained_readers(reader, written, device=device, names=names or {})
    given = {"source": None, "folder": None, "device": device}
    arguments = bind(_token_reader, written, what="vtok-llava", subject="language_model", given=given)
    options = effective_options(_token_reader, arguments, leave_out=("language_model", *given))
    checkpoint = arguments.get("checkpoint")
    if (checkpoint is None) == (options["random"] is None):
        raise SpecError(
            "vtok-llava needs either a trained projection, checkpoint=FILE, or a random one, random=SEED"
        )
    if checkpoint is not None and not checkpoint.is_file():
        raise SpecError(f"checkpoint {checkpoint}: no such file")
    need_transformers()
    language_model = arguments["language_model"]
    arguments["folder"] = checkpoint_folder(language_model, revision=arguments.get("revision"))
    spec = str(options["tokenizer"])
    arguments["source"] = build_reader_tokenizer(spec, device, names or {})
    tokenizer = describe_tokenizer(arguments["source"])
    facts = {
        **options,
        "tokenizer": {"spec": spec, **tokenizer.identity()},
        **({"names": matched} if (matched := matched_names(spec, names or {})) else {}),
        "projection": "random weights" if checkpoint is None else sha256_file(checkpoint),
    }
    drawn = (Caveat.RANDOM_WEIGHTS,) if checkpoint is None else ()
    description = replace(
        describe_checkpoint(language_model, arguments["folder"]).with_facts(facts),
        caveats=joined_caveats(drawn, tokenizer.caveats),
    )
    return LoadedWhenAsked(lambda: _token_reader(**arguments), description)


def _token_reader(
    *,
    language_model: str,
    tokenizer: str = "vtok",
    checkpoint: Path | None = None,
    random: int | None = None,
    template: Template = "chat",
    scoring: Scoring = "labels",
    per_token: bool = False,
    max_new_tokens: int = 64,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    revision: str | None = None,
    source: Tokenizer,
    folder: Path,
    device: torch.device,
) -> TokenLanguageModel:
    """`build_vtok_llava`'s options; `source` and `folder` are what tokenizer and language_model name."""
    del language_model, tokenizer, revision
    model, text_tokenizer = load_language_model(folder, dtype, device)
    width, embedding_width = _width(source), model.get_input_embeddings().weight.shape[1]
    if checkpoint is None:
        projection = VisualProjection(width, embedding_width, seed=random or 0)
    else:
        projection = load_reader(
            checkpoint, width=width, embedding_width=embedding_width, language_model=model
        )
    return TokenLanguageModel(
        tokenizer=source,
        language_model=model,
        text_tokenizer=text_tokenizer,
        projection=projection.to(device, model.dtype).eval().requires_grad_(False),
        template=template,
        scoring=scoring,
        per_token=per_token,
        max_new_tokens=max_new_tokens,
    )


def _width(tokenizer: Tokenizer) -> int:
    """D of the tokenizer's tokens, from what it says or else from one grey clip."""
    said = getattr(tokenizer, "width", None)
    if isinstance(said, int):
        return said
    grey = torch.full((1, 8, 3, 64, 64), 128, dtype=torch.uint8, device="cpu")
    return int(
        tokenizer.encode(Clips(grey, torch.tensor([8.0], dtype=torch.float64, device="cpu"))).values.shape[2]
    )
