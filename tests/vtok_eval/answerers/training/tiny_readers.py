"""Tiny language models of real classes, a tokenizer of fixed tokens, and data to learn by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.vtok_eval.answerers.language_models import tiny_models
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.recipe import LoraSettings, ReaderRecipe, ReaderStage
from vtok_eval.answerers.training.tokens.source import TokensInMemory
from vtok_eval.answerers.training.train import ReaderData, train_reader
from vtok_eval.data import Clips, TokenKind, Tokens

CPU = torch.device("cpu")
SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
CLASSES = ("Llama", "Qwen2", "Qwen3")
QUESTION = "Which?"
ANSWERS = {"a": "red", "b": "blue", "c": "green", "d": "no"}


def text_tokenizer() -> Any:
    """A token for each byte; the chat template's turns end with the token that ends a text."""
    found = tiny_models.byte_tokenizer()
    found.eos_token = "<|im_end|>"
    found.chat_template = tiny_models.TEXT_TEMPLATE
    return found


def language_model(name: str = "Llama", *, seed: int = 0) -> Any:
    import transformers

    more = {"head_dim": 8} if name == "Qwen3" else {}
    tokenizer = text_tokenizer()
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        tie_word_embeddings=name == "Qwen2",
        **SIZE,
        **more,
    )
    torch.manual_seed(seed)
    return getattr(transformers, f"{name}ForCausalLM")(config)


def language_model_folder(folder: Path, *, seed: int = 0) -> Path:
    language_model(seed=seed).save_pretrained(folder)
    text_tokenizer().save_pretrained(folder)
    return folder


class FirstPixels:
    """A user's own tokenizer: four tokens of the first frame's pixels, without a projection to train."""

    width = 3

    def __init__(self, *, shift: float = 0.0) -> None:
        self.shift = shift

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames[:, 0, :, :2, :2].flatten(2).transpose(1, 2).float() / 255 + self.shift)

    def token_count(self, n_frames: int) -> int:
        return 4


class Halves(nn.Module):
    """Joins two groups of different widths after a linear map for each."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.maps = nn.ModuleList([nn.Linear(3, 5), nn.Linear(6, 5)])

    def forward(self, groups):
        return Tokens.concatenate(
            [
                Tokens(linear(group.values), group.mask, group.kind, group.frame)
                for linear, group in zip(self.maps, groups, strict=True)
            ]
        )


class TwoGroups(FirstPixels):
    """As VTok: spatial tokens and, of another width, one for each later frame; its projection is trained."""

    trainable, width = True, 5

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        pixels = clips.frames.float() / 255
        spatial = pixels[:, 0, :, :2, :2].flatten(2).transpose(1, 2)
        later = pixels[:, 1:, :, 0, :2].flatten(2)
        frame = torch.arange(1, clips.n_frames)
        return Tokens.of(spatial), Tokens.of(later, kind=TokenKind.MOTION, frame=frame)

    def new_projection(self, *, seed: int) -> nn.Module:
        return Halves(seed)

    def encode(self, clips: Clips) -> Tokens:
        return self.new_projection(seed=0)(self.features(clips))

    def token_count(self, n_frames: int) -> int:
        return 4 + n_frames - 1


def clips(n_frames: int = 4) -> dict[str, Clips]:
    """A clip of random pixels for each answer."""
    found = {}
    for number, name in enumerate(ANSWERS):
        generator = torch.Generator().manual_seed(number)
        frames = torch.randint(0, 256, (1, n_frames, 3, 8, 8), generator=generator, dtype=torch.uint8)
        found[name] = Clips(frames, torch.tensor([4.0], dtype=torch.float64))
    return found


def tokens_of(tokenizer: Any, n_frames: int = 4) -> TokensInMemory:
    groups = {}
    for name, clip in clips(n_frames).items():
        made = tokenizer.features(clip) if hasattr(tokenizer, "features") else (tokenizer.encode(clip),)
        groups[name] = tuple(Tokens(each.values.half(), each.mask, each.kind, each.frame) for each in made)
    return TokensInMemory(groups)


def data(*, validation: bool = True) -> ReaderData:
    """One question about each clip, with an answer that only the clip tells."""
    asked = [Conversation.asked(name, clip=name, pairs=[(QUESTION, word)]) for name, word in ANSWERS.items()]
    return ReaderData(tuple(asked), tuple(asked[:2]) if validation else ())


def stage(trains: str = "all", steps: int = 30, rate: float = 5e-3, **more: Any) -> ReaderStage:
    return ReaderStage(f"stage-{trains}", trains=trains, steps=steps, learning_rate=rate, **more)


def recipe(*stages: ReaderStage, **options: Any) -> ReaderRecipe:
    given = {"batch_size": 4, "micro_batch_size": 4, "log_every": 5, "evaluate_every": 10, "save_every": 10}
    return ReaderRecipe(
        stages or (stage(),), lora=LoraSettings(rank=8, alpha=16, dropout=0.0), **{**given, **options}
    )


def resumed() -> ReaderRecipe:
    """Two stages, with checkpoints within each."""
    return recipe(stage("projection", 10), stage("lora", 20, rate=1e-2), save_every=5)


def train(tokenizer: Any = None, *, model: Any = None, n_frames: int = 4, **options: Any) -> Any:
    """A reader of `FirstPixels`, or of another tokenizer, trained on a CPU."""
    tokenizer = tokenizer or FirstPixels()
    given = {
        "language_model": model or language_model(),
        "text_tokenizer": text_tokenizer(),
        "tokenizer": tokenizer,
        "tokens": tokens_of(tokenizer, n_frames),
        "data": data(),
        "recipe": recipe(),
        "seed": 0,
        "device": CPU,
    }
    return train_reader(**{**given, **options})


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}
