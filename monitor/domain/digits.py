"""Whether a text is a number that `int` takes: `str.isdigit` also says so of `²`, and of digits of other scripts."""

from __future__ import annotations


def digits(text: str) -> bool:
    """Whether `text` is a whole number in ASCII digits.

    >>> digits("80"), digits("²"), digits("٨٠"), digits("")
    (True, False, False, False)
    """
    return text.isascii() and text.isdigit()
