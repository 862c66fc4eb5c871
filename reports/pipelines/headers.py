"""What a job's row keeps of its file's header.

The row is read whenever the job is shown, so it keeps no more of a long header than pages show. All of it is then the
first line of the job's first file of rejected rows (see `FoldedWindow.header`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salesagg.core.shown import cut

# A header with more characters than this is long. Those of most files have fewer than a thousand.
KEPT_CHARACTERS = 10_000
# As long as the name of a column that a person may choose (`options.MAX_NAME_LENGTH`).
_FOUND_CHARACTERS = 1000
# In a job's context: the columns found, by role, where the header that it keeps may lack them.
FOUND = "found"


def is_long(names: Sequence[str]) -> bool:
    return sum(len(name) + 1 for name in names) > KEPT_CHARACTERS


def beginning(names: Sequence[str]) -> list[str]:
    """The first names, each cut, as many as the row keeps of a long header."""
    kept: list[str] = []
    left = KEPT_CHARACTERS
    for name in names:
        shown = cut(name)
        left -= len(shown) + 1
        if left < 0:
            break
        kept.append(shown)
    return kept


def found(names: Sequence[str], positions: Mapping[str, int | None]) -> dict[str, str]:
    """The name of each role's column, as long as a person may choose it; empty for a role without one."""
    return {
        role: "" if position is None else cut(names[position], _FOUND_CHARACTERS)
        for role, position in positions.items()
    }


def is_kept_whole(context: Mapping[str, Any]) -> bool:
    return FOUND not in context
