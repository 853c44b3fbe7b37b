"""Text that may be written to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without control characters: a name must not move the cursor or colour the screen.

    Example:
        >>> printable("plain"), printable("red\\x1b[31m")
        ('plain', 'red?[31m')
    """
    return "".join(character if character.isprintable() else "?" for character in text)
