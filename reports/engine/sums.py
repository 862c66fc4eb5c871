"""Sums and numbers of rows by key, in plain Python numbers."""

from collections.abc import ItemsView, Mapping
from typing import Generic, TypeVar

from reports.engine.numbers import Number, add, size

K = TypeVar("K")


class Sums(Generic[K]):
    """An exact sum and a number of rows for each key."""

    def __init__(self, items: Mapping[K, tuple[Number, int]] | None = None) -> None:
        self._items = dict(items or {})

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: K) -> bool:
        return key in self._items

    @property
    def digit_bytes(self) -> int:
        """About how many bytes the digits of all sums take."""
        return sum(size(value) for value, _ in self._items.values())

    def items(self) -> ItemsView[K, tuple[Number, int]]:
        return self._items.items()

    def add(self, key: K, value: Number, rows: int = 1) -> None:
        known = self._items.get(key)
        self._items[key] = (value, rows) if known is None else (add(known[0], value), known[1] + rows)

    def merge(self, other: "Sums[K]") -> None:
        for key, (value, rows) in other.items():
            self.add(key, value, rows)

    def pop(self, key: K) -> tuple[Number, int]:
        return self._items.pop(key, (0, 0))
