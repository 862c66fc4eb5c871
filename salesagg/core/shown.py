"""Texts of any length as pages, the API, events and messages show them: cut, so that no answer becomes too large.

Downloads have them whole.
"""

SHOWN_CHARACTERS = 200
_CUT = "…"


def cut(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Return `text` if it has no more than so many characters, else its beginning and an ellipsis."""
    return text if len(text) <= characters else text[: characters - len(_CUT)] + _CUT
