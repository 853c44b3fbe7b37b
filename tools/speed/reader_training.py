"""The share of a reader's training that is spent inside forward and backward, and tokens per second.

python -m tools.speed.reader_training [--device cuda --precision bf16 --model FOLDER]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.recipe import ReaderRecipe, ReaderStage
from vtok_eval.answerers.training.steps.model import ReaderModel
from vtok_eval.answerers.training.tokens.source import TokensInMemory
from vtok_eval.answerers.training.train import ReaderData, train_reader
from vtok_eval.data import Clips, Tokens

# Any: transformers' models and tokenizers, which have no types.

WORDS = ("the", "a", "red", "blue", "ball", "square", "moves", "left", "right", "which", "what", "where", "?")
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {{ message['content'] }} <end> {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


class Ready:
    """A tokenizer whose tokens are at hand; of its width alone a training asks."""

    def __init__(self, width: int) -> None:
        self.width = width

    def encode(self, clips: Clips) -> Tokens:
        """Not called: clips are not encoded here."""
        raise NotImplementedError


@dataclass
class Spent:
    """Seconds inside `forward` and `backward`, and when each forward pass began."""

    device: torch.device
    begun: list[float] = field(default_factory=list)
    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)

    def timed(self, call: Callable[..., Any], seconds: list[float], *, begins: bool = False) -> Any:
        """`call`, its seconds added to a list."""

        def wrapped(*arguments: Any, **options: Any) -> Any:
            start = self._now()
            if begins:
                self.begun.append(start)
            result = call(*arguments, **options)
            seconds.append(self._now() - start)
            return result

        return wrapped

    def share(self, *, skip: int) -> tuple[float, float]:
        """The share of whole steps that is inside, and seconds a step, without the first `skip` steps."""
        whole = self.begun[-1] - self.begun[skip]
        inside = sum(self.forward[skip:-1]) + sum(self.backward[skip:-1])
        return inside / whole, whole / (len(self.begun) - 1 - skip)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


@contextmanager
def timing(device: torch.device) -> Iterator[Spent]:
    """Time every training step within; one conversation batch is one step."""
    spent = Spent(device)
    forward, backward = ReaderModel.forward, torch.Tensor.backward
    ReaderModel.forward = spent.timed(forward, spent.forward, begins=True)  # type: ignore[method-assign]
    torch.Tensor.backward = spent.timed(backward, spent.backward)  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        ReaderModel.forward, torch.Tensor.backward = forward, backward  # type: ignore[method-assign]


def word_tokenizer() -> Any:
    """A closed vocabulary of words, as transformers takes it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<end>", "user", "assistant", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")
    fast.chat_template = TEMPLATE
    return fast


def small_model(tokenizer: Any, *, layers: int, width: int) -> Any:
    """A Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            max_position_embeddings=1024,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def made_data(*, clips: int, visual: int, width: int) -> tuple[ReaderData, TokensInMemory]:
    """Conversations of some twenty words about clips of random tokens."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    groups, asked = {}, []
    for number in range(clips):
        values = torch.randn(1, visual, width, generator=generator, device="cpu").half()
        groups[str(number)] = (Tokens.of(values),)
        chosen = torch.randint(len(WORDS), (18,), generator=generator, device="cpu").tolist()
        question = " ".join(WORDS[place] for place in chosen[:16])
        answer = " ".join(WORDS[place] for place in chosen[16:])
        asked.append(Conversation.asked(str(number), clip=str(number), pairs=[(question, answer)]))
    return ReaderData(tuple(asked)), TokensInMemory(groups)


def main() -> None:
    """Measure and print one line for each number of visual tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", type=Path, help="a folder; default: four layers of width 256")
    parser.add_argument("--precision", default="float32", choices=("float32", "bf16"))
    parser.add_argument("--trains", default="all", choices=("all", "lora"))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--skip", type=int, default=5, help="first steps that are not counted")
    parser.add_argument("--visual", type=int, nargs="+", default=[31, 128])
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    for visual in arguments.visual:
        tokenizer = word_tokenizer()
        if arguments.model is None:
            model = small_model(tokenizer, layers=4, width=256)
        else:
            from vtok_eval.answerers.language_models.checkpoint_folder import load_language_model

            dtype = "bfloat16" if arguments.precision == "bf16" else "float32"
            model, tokenizer = load_language_model(arguments.model, dtype, torch.device("cpu"))
        data, tokens = made_data(clips=128, visual=visual, width=152)
        stage = ReaderStage("all", trains=arguments.trains, steps=arguments.steps, learning_rate=1e-3)
        recipe = ReaderRecipe(
            (stage,),
            batch_size=arguments.batch_size,
            micro_batch_size=arguments.batch_size,
            precision=arguments.precision,
        )
        with timing(device) as spent:
            reader = train_reader(
                language_model=model,
                text_tokenizer=tokenizer,
                tokenizer=Ready(152),
                tokens=tokens,
                data=data,
                recipe=recipe,
                seed=0,
                device=device,
            )
        share, seconds = spent.share(skip=arguments.skip)
        length = visual + reader.facts["mean_text"]
        speed = arguments.batch_size * length / seconds
        memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device.type == "cuda" else ""
        print(  # noqa: T201
            f"{visual} visual tokens, {length:.0f} positions: {share:.1%} inside forward and backward, "
            f"{seconds * 1000:.0f} ms a step, {speed:,.0f} positions/s{memory}; load "
            f" {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads"
        )


if __name__ == "__main__":
    main()
