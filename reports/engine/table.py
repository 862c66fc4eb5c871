"""The kernel's memory: its table of totals, its list of bad rows, and the words by which it is told what to do."""

import os
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from reports.engine import kernel
from reports.engine.layout import Layout
from reports.engine.limits import Limits
from reports.engine.numbers import LOW_BITS, from_units
from reports.engine.partial import Partial
from reports.engine.text import Data
from reports.engine.totals import SCHEMA, too_many

_FIRST_ENTRIES = 1024
_FIRST_ARENA = 32 * 1024
# Fewer entries are in the processor's cache anyway.
_QUEUE_FROM = 4096
_BAD_ROOM = 16 * 1024
_SCRATCH_ROOM = 64 * 1024
# A table that has grown beyond this is not kept for the next window.
_KEPT_ENTRIES = 128 * 1024

Array = np.ndarray[Any, Any]


class Folded(NamedTuple):
    """What came of a block: where its records end, how many they were, those that were not good (start, end, row
    number in the block, faults, perhaps `kernel.UNDECIDED`), and whether the last is too long and not over."""

    end: int
    rows: int
    bad: Array
    skipping: bool


class Table:
    """One thread's at a time. Folds blocks one after another into the same totals."""

    def __init__(self) -> None:
        self._state = np.zeros(kernel.STATE_WORDS, np.int64)
        # Odd: a key of 0 would give every name the same hash.
        self._state[[kernel.HASH_KEY // 8, kernel.HASH_KEY_2 // 8]] = np.frombuffer(os.urandom(16), np.int64) | 1
        self._months = np.zeros((kernel.MONTHS_ROOM, kernel.MONTH_WORDS), np.int64)
        self._scratch = np.zeros(2 * _SCRATCH_ROOM, np.uint8)
        self._queue = np.zeros(kernel.QUEUE_ROOM * kernel.QUEUE_WORDS, np.int64)
        self._bad = np.zeros((_BAD_ROOM, kernel.BAD_WORDS), np.int64)
        self._entries = np.zeros((_FIRST_ENTRIES, kernel.ENTRY_WORDS), np.int64)
        self._arena = np.zeros(_FIRST_ARENA, np.uint8)
        self._slots = np.zeros(2 * _FIRST_ENTRIES, np.int64)

    @property
    def is_large(self) -> bool:
        return len(self._entries) > _KEPT_ENTRIES

    def fold(self, data: Data, start: int, stop: int, layout: Layout, *, final: bool, limits: Limits) -> Folded:
        """Fold the records that begin in ``[start, stop)``; `start` is a record's beginning."""
        view = np.frombuffer(data, np.uint8)
        roles = _roles(layout)
        self._set(kernel.DATA, view.ctypes.data)
        self._set(kernel.START, start)
        self._set(kernel.STOP, min(stop, len(data)))
        self._set(kernel.END, len(data))
        self._set(kernel.FINAL, final)
        self._set(kernel.DELIMITER, ord(layout.delimiter))
        self._set(kernel.LONGEST, limits.record_bytes)
        self._set(kernel.AMOUNTS, layout.amounts)
        self._set(kernel.ROLES, roles.ctypes.data)
        self._set(kernel.WIDTH, layout.width)
        self._set(kernel.NAMES, len(layout.columns.department))
        self._set(kernel.ROWS, 0)
        self._set(kernel.BAD_USED, 0)
        self._point()
        bad = []
        while (status := kernel.fold_block(self._state.ctypes.data)) in (kernel.TABLE_FULL, kernel.BAD_FULL):
            if status == kernel.TABLE_FULL:
                self._grow(limits)
            else:
                bad.append(self._bad.copy())
                self._set(kernel.BAD_USED, 0)
        bad.append(self._bad[: self._get(kernel.BAD_USED)].copy())
        return Folded(self._get(kernel.START), self._get(kernel.ROWS), np.concatenate(bad), status == kernel.SKIPPING)

    def take(self, partial: Partial) -> None:
        """Add the totals to `partial`, and begin anew."""
        used, size = self._get(kernel.ENTRIES_USED), self._get(kernel.ARENA_USED)
        if used:
            # Names lie in the arena in the order of their entries.
            offsets = np.append(self._entries[:used, kernel.OFFSET // 8], size).astype(np.int32)
            names = pa.Array.from_buffers(
                pa.binary(), used, [None, pa.py_buffer(offsets), pa.py_buffer(self._arena[:size].tobytes())]
            )
            low, high, rows = (self._entries[:used, kernel.SUMS // 8 + word].copy() for word in range(3))
            partial.totals.add_table(pa.table([names, high, low, rows], schema=SCHEMA))
        for month in np.flatnonzero(self._months[:, 2]).tolist():
            low, high, rows = self._months[month].tolist()
            partial.months.add(month, from_units((high << LOW_BITS) + low, partial.totals.scale), rows)
            self._months[month] = 0
        partial.places = max(partial.places, self._get(kernel.PLACES))
        self._slots[:] = 0
        for word in (kernel.ENTRIES_USED, kernel.ARENA_USED, kernel.PLACES):
            self._set(word, 0)

    def _get(self, word: int) -> int:
        return int(self._state[word // 8])

    def _set(self, word: int, value: int) -> None:
        self._state[word // 8] = value

    def _point(self) -> None:
        """Tell the kernel where its memory is."""
        self._set(kernel.SLOTS, self._slots.ctypes.data)
        self._set(kernel.SLOT_MASK, len(self._slots) - 1)
        self._set(kernel.ENTRIES, self._entries.ctypes.data)
        self._set(kernel.ENTRIES_ROOM, len(self._entries))
        self._set(kernel.ARENA, self._arena.ctypes.data)
        self._set(kernel.ARENA_ROOM, len(self._arena))
        self._set(kernel.MONTHS, self._months.ctypes.data)
        self._set(kernel.SCRATCH, self._scratch.ctypes.data)
        self._set(kernel.SCRATCH_ROOM, _SCRATCH_ROOM)
        self._set(kernel.QUEUE, self._queue.ctypes.data)
        self._set(kernel.QUEUE_FROM, _QUEUE_FROM)
        self._set(kernel.BAD, self._bad.ctypes.data)
        self._set(kernel.BAD_ROOM, len(self._bad))

    def _grow(self, limits: Limits) -> None:
        used, size = self._get(kernel.ENTRIES_USED), self._get(kernel.ARENA_USED)
        if used > limits.departments or size > limits.name_bytes:
            raise too_many(limits)
        if used == len(self._entries):
            self._entries = _larger(self._entries, 4 * used)
            self._slots = np.zeros(2 * len(self._entries), np.int64)
            self._point()
            kernel.rehash(self._state.ctypes.data)
        else:
            self._arena = _larger(self._arena, 2 * len(self._arena) + self._get(kernel.NEEDED))
            self._point()


def _larger(array: Array, length: int) -> Array:
    """A copy of `array` with room for `length` items."""
    larger = np.zeros((length, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _roles(layout: Layout) -> Array:
    """What each column is for."""
    roles = np.zeros(layout.width, np.uint8)
    columns = layout.columns
    roles[list(columns.department)] |= kernel.IS_DEPARTMENT
    roles[columns.sales] |= kernel.IS_SALES
    if columns.date is not None:
        roles[columns.date] |= kernel.IS_DATE
    return roles
