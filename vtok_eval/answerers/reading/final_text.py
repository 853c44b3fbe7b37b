"""What a model says once it has thought: its text without thoughts and without tokens that end a text."""

from __future__ import annotations

import re

_NAMES = (
    r"(?:\w+:|inner_|ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|scratch_?pad|analysis|monologue"
    r"|deliberation|cot|chain_of_thought|rationale|思考)"
)
_OPENING = re.compile(
    rf"<\s*{_NAMES}\s*>|\[\s*{_NAMES}\s*\]|◁\s*{_NAMES}\s*▷|【\s*{_NAMES}\s*】"
    rf"|<[|｜]\s*(?:begin|start)_(?:of_)?{_NAMES}\s*[|｜]>|<[|｜]\s*{_NAMES}\s*[|｜]>|<unused94>(?:thought)?"
    rf"|```\s*{_NAMES}\s*\n",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"<\s*/\s*{_NAMES}\s*>|\[\s*/\s*{_NAMES}\s*\]|◁\s*/\s*{_NAMES}\s*▷|【\s*/\s*{_NAMES}\s*】"
    rf"|<[|｜]\s*end_(?:of_)?{_NAMES}\s*[|｜]>|<[|｜]\s*/\s*{_NAMES}\s*[|｜]>|<unused95>",
    re.IGNORECASE,
)
_FENCED = re.compile(rf"```\s*{_NAMES}\s*\n.*?(?:```|\Z)", re.IGNORECASE | re.DOTALL)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.IGNORECASE)
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?=[A-Z\W]).*assistant\s*final", re.DOTALL)
"""What is left of channel markers where a server drops special tokens: "analysis...assistantfinalB"."""
_START = re.compile(
    r"<s>|<bos>|<pad>|<[|｜](?:im_start|start|start_header_id|begin▁of▁sentence|begin_of_text)[|｜]>"
    r"(?:\s*(?:assistant|model)\b)?(?:<[|｜]end_header_id[|｜]>)?|<start_of_turn>(?:\s*model\b)?"
    r"|<[|｜](?:assistant|Assistant|begin_of_solution|end_of_solution|message)[|｜]>|\[/?INST\]",
)
_END = re.compile(
    r"</s>|<eos>|<end_of_turn>|<end_of_utterance>|<\|?endoftext\|?>|<[|｜][^<>|｜\n]{1,40}[|｜]>"
)


def final_text(text: str) -> str:
    r"""The part of a reply that is said to the user.

    Thoughts are taken out however they are marked: tags of several names (`<think>`, `[THINK]`, `◁think▷` and
    so on), a closing tag alone, a tag that is never closed (the reply was cut while the model was thinking),
    and the channels of chat templates; only the final one counts. What follows the first
    token that ends a turn (`</s>`, `<|im_end|>`) was not meant for the user.

    Example:
        >>> final_text("At first the answer is A.\n</think>\n\nB<|im_end|>")
        'B'
        >>> final_text("<think>The answer is A, as")
        ''
    """
    said = _final_channel(text)
    said = _without_thoughts(said)
    said = _START.sub(" ", said)
    for part in _END.split(said):
        if part.strip():
            return part.strip()
    return ""


def _final_channel(text: str) -> str:
    """The text of the last channel called "final"; nothing where there are only others."""
    marks = list(_CHANNEL.finditer(text))
    if not marks:
        return _BARE_CHANNELS.sub("", text)
    final = [mark for mark in marks if mark[1].lower() == "final"]
    return text[final[-1].end() :] if final else text[: marks[0].start()]


def _without_thoughts(text: str) -> str:
    text = _FENCED.sub(" ", text)
    kept, position, depth = [], 0, 0
    marks = [(m.start(), m.end(), 1) for m in _OPENING.finditer(text)]
    marks += [(m.start(), m.end(), -1) for m in _CLOSING.finditer(text)]
    for start, end, step in sorted(marks):
        if depth == 0 and step == 1:
            kept.append(text[position:start])
        if depth == 0 and step == -1:
            kept = []  # a closing mark alone: everything before it was thought
        depth = max(0, depth + step)
        position = end
    if depth == 0:
        kept.append(text[position:])
    return " ".join(kept)
