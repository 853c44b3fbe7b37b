"""Rendered scenes as training data: clips whose content is known, with questions about it."""

from __future__ import annotations

from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.data.records import table_record
from vtok_eval.scenes.dataset import SceneClip, SceneSet
from vtok_eval.scenes.questions import questions


def scene_conversations(n: int) -> tuple[list[Conversation], dict[str, SceneClip]]:
    """The first `n` scenes of the training split: a conversation for each question, and the clips by name.

    Example:
        >>> conversations, clips = scene_conversations(1)
        >>> conversations[0].clip in clips, conversations[0].turns[1].text in "ABCD"
        (True, True)
    """
    found: list[Conversation] = []
    clips: dict[str, SceneClip] = {}
    for clip in SceneSet(0, "train", n).clips():
        for question in questions(clip.scene, seed=0):
            row = {
                "video": clip.key,
                "question": question.text,
                "answer": question.options[question.answer],
                "options": list(question.options),
            }
            name, turns = table_record(row)
            clips[name] = clip
            found.append(Conversation(question.id, name, turns))
    return found, clips
