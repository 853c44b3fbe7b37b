"""A question in a language model's own template, taken apart where the visual tokens go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vtok_eval.errors import SpecError

# Any: transformers' models, processors and tokenizers, which have no types.

Template = Literal["chat", "vicuna"]
"""`chat`: the tokenizer's chat template. `vicuna`: the one that LLaVA-1.5 was trained with."""

VISUAL = "\ufffc"
"""Unicode's object replacement character holds the place while the template is filled in."""

_VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the human's questions. USER: {question} ASSISTANT:"
)


@dataclass(frozen=True)
class TextPrompt:
    """Token ids before and after the visual tokens, and the text, in which `VISUAL` marks their place."""

    rendered: str
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class TurnMarks:
    """What a template puts around later turns.

    between: from an answer's end to the next question. after_question: from there to the next answer.
    end: after the last answer.

    Example:
        >>> TurnMarks(between="</s>USER: ", after_question=" ASSISTANT:", end="</s>").end
        '</s>'
    """

    between: str
    after_question: str
    end: str


class TextPrompts:
    """Prompts of one user turn: the visual tokens on a line of their own, then the question.

    template: "chat" is the tokenizer's chat template; "vicuna" is the one that LLaVA-1.5 was trained with.

    Raises:
        SpecError: "chat", and the tokenizer has no template.
    """

    def __init__(self, tokenizer: Any, *, template: Template) -> None:
        if template == "chat" and not getattr(tokenizer, "chat_template", None):
            raise SpecError("the language model's tokenizer has no chat template; say template=vicuna")
        self.tokenizer = tokenizer
        self.template = template

    def prompt(self, question: str, *, shown: bool) -> TextPrompt:
        """The prompt for a question; without visual tokens it has no placeholder line.

        Raises:
            SpecError: the chat template drops what the user says.
        """
        question = question.replace(VISUAL, " ")
        rendered = self._rendered(f"{VISUAL}\n{question}" if shown else question)
        # Without a placeholder, all text counts as before it.
        before, _, after = rendered.partition(VISUAL)
        return TextPrompt(rendered, (*self._first_ids(rendered), *self._ids(before)), self._ids(after))

    def turn_marks(self) -> TurnMarks:
        """What the template puts around the turns of a longer conversation.

        Raises:
            SpecError: the chat template drops a turn, or takes no answers of an assistant.
        """
        if self.template == "vicuna":
            end = self.tokenizer.eos_token or ""
            return TurnMarks(between=f"{end}USER: ", after_question=" ASSISTANT:", end=end)
        said = ("vtokquestion", "vtokanswer", "vtokfollowing")
        several = self._chat(said, ask=True)
        once = self._chat(said[:2], ask=False)
        between, _, after_question = several.partition(said[1])[2].partition(said[2])
        return TurnMarks(between, after_question, end=once.partition(said[1])[2])

    def _rendered(self, said: str) -> str:
        if self.template == "vicuna":
            return _VICUNA.format(question=said)
        return self._chat([said], ask=True)

    def _chat(self, said: Sequence[str], *, ask: bool) -> str:
        """Turns of user and assistant in the chat template. ask: for another answer.

        Raises:
            SpecError: the template drops what is said.
        """
        roles = ["user", "assistant"] * len(said)
        # Templates of text models take a string, those of vision models a list of parts.
        for as_parts in (False, True):
            messages = [
                {"role": role, "content": [{"type": "text", "text": text}] if as_parts else text}
                for role, text in zip(roles, said, strict=False)
            ]
            rendered = str(
                self.tokenizer.apply_chat_template(messages, add_generation_prompt=ask, tokenize=False)
            )
            if all(text.strip() in rendered for text in said):
                return rendered
        raise SpecError("the language model's chat template drops the question; say template=vicuna")

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    def _first_ids(self, rendered: str) -> tuple[int, ...]:
        """The beginning-of-text token, where the tokenizer puts one and the template has not."""
        tokenizer = self.tokenizer
        if tokenizer.bos_token_id is None or rendered.startswith(tokenizer.bos_token):
            return ()
        puts_one = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
        return (tokenizer.bos_token_id,) if puts_one else ()
