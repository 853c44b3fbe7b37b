"""Takes an endpoint's key out of texts that a server sends, and leaves the words of its model alone."""

from __future__ import annotations

import re

_SECRET = 16
"""Keys of servers that check them are longer; "none", "EMPTY" or "ollama" mean that there is no key."""
_DOUBTFUL = 6
"""A key of at least this length may be a real password; servers repeat it as a separate word."""


def without_key(text: str, key: str, *, is_answer: bool = False) -> str:
    """`text` with "[key]" in place of the key, where the key is a secret.

    A key of 16 characters or more with digits or capitals in it is taken out wherever it is. A shorter one
    that has a digit is taken out of a server's messages where it is a word of its own, and never out of what
    a model says. A word without digits, such as "none", is not a secret.

    Args:
        text: what the server sent.
        key: the key that was sent to it.
        is_answer: `text` is the model's answer, which is what gets scored.

    Example:
        >>> without_key("none of the above", "none")
        'none of the above'
        >>> without_key("key sk-8d1f9a-very-long is no good", "sk-8d1f9a-very-long")
        'key [key] is no good'
    """
    if any(character.isspace() for character in key):
        return text
    has_digit = any(character.isdigit() for character in key)
    if len(key) >= _SECRET and (has_digit or key != key.lower()):
        return text.replace(key, "[key]")
    if len(key) >= _DOUBTFUL and has_digit and not is_answer:
        return re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "[key]", text)
    return text
