"""Makes one suite of prompt files, whose questions come in an order that gives no answer away."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from tv_align.prompts.schema import Prompt, PromptFile, PromptSuite, Question


def suite_of(files: Sequence[PromptFile]) -> PromptSuite:
    """The suite that files of one name and version make up.

    Raises:
        ValueError: the files belong to different suites, or two prompts share an id or a text.

    Example:
        >>> from tv_align.prompts.schema import PromptEntry
        >>> questions = {"Is the ball red?": "yes", "Is the ball blue?": "no"}
        >>> entry = PromptEntry(id="ball", text="a red ball", level="basic", questions=questions)
        >>> about = {"suite": "mine", "version": 1, "source": "by hand", "category": "attribute"}
        >>> file = PromptFile(**about, prompts=[entry])
        >>> [prompt.text for prompt in suite_of([file]).prompts]
        ['a red ball']
    """
    first = files[0]
    for file in files:
        if (file.suite, file.version) != (first.suite, first.version):
            raise ValueError(
                f"the files belong to different suites: {first.suite} version {first.version} and "
                f"{file.suite} version {file.version}"
            )
    prompts = tuple(_prompt(file, number) for file in files for number in range(len(file.prompts)))
    for what in ("id", "text"):
        _check_unique(what, [getattr(prompt, what) for prompt in prompts])
    content = [file.model_dump(mode="json") for file in files]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return PromptSuite(first.suite, first.version, first.source, prompts, digest)


def _prompt(file: PromptFile, number: int) -> Prompt:
    entry = file.prompts[number]
    questions = [
        Question(id=f"{entry.id}/{_short_hash(text)}", text=text, answer=answer)
        for text, answer in entry.questions.items()
    ]
    # Writers put the true ones first; the order by hash does not reveal the answers.
    ordered = tuple(sorted(questions, key=lambda question: question.id))
    return Prompt(entry.id, entry.text, file.category, entry.level, ordered)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_unique(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"two prompts have the {what} {value!r}")
        seen.add(value)
