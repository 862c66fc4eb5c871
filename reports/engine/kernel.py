"""The compiled inner loop: a block of records in, totals in a hash table out. Needs numba.

`fold_block` walks the bytes once. It follows the state machine of Python's `csv` module (default dialect) and the rules
of `reports.engine.rules`; what it cannot decide exactly, such as a number of more than 18 digits, it hands back to be
read again in Python. It works on plain addresses, allocates nothing, raises nothing, and lets the interpreter go.

Bytes are searched eight at a time: Mycroft's test for a zero byte in a word, whose lowest hit is exact (Warren,
Hacker's Delight, 6-1). Digits are checked and converted the same way (Lemire, "Quickly parsing eight digits", 2018).

All in one file: numba's cache on the disk looks at the date of this file alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from reports.engine.faults import DATE, DEPARTMENT, FIELDS, SALES, TOO_LONG
from reports.engine.numbers import AMOUNT_SCALE, LOW_BITS, LOW_MASK

# A fault only in here: to be judged in Python.
UNDECIDED = 128

# What a column is for; one may be for several.
IS_DEPARTMENT, IS_DATE, IS_SALES = 1, 2, 4

# The words of the state: what to do, where, and how far it came. Addresses unless said otherwise.
(
    DATA,
    START,  # offset of the first record; on return, of the first one not folded
    STOP,  # offset before which records must begin
    END,  # offset at which the data end
    FINAL,  # whether the file ends there too
    DELIMITER,
    LONGEST,  # bytes of a record
    AMOUNTS,  # whether sales are decimals
    ROLES,
    WIDTH,  # number of columns
    NAMES,  # number of columns that make the department's name
    SLOTS,
    SLOT_MASK,
    ENTRIES,
    ENTRIES_USED,
    ENTRIES_ROOM,
    ARENA,
    ARENA_USED,
    ARENA_ROOM,
    NEEDED,  # bytes of the name for which there was no room
    MONTHS,
    SCRATCH,
    SCRATCH_ROOM,  # bytes in each of its halves: the name being composed, a field being unescaped
    BAD,
    BAD_USED,
    BAD_ROOM,
    ROWS,
    PLACES,
    QUEUE,
    QUEUED,  # good rows that wait in the queue
    QUEUE_FROM,  # entries from which on rows are queued
    HASH_KEY,  # two random words that nobody outside can know; see `_digest`
    HASH_KEY_2,
) = (8 * word for word in range(33))
STATE_WORDS = 33

# How a call ended: all done; the table is full; the list of bad rows is full; in a record that is too long.
DONE, TABLE_FULL, BAD_FULL, SKIPPING = range(4)

# An entry of the table fills a cache line: the name's hash, place in the arena, length and first 16 bytes; then its sum
# and number of rows, as `_add` writes them.
HASH, OFFSET, LENGTH, FIRST, SECOND, SUMS = (8 * word for word in range(6))
ENTRY_WORDS = 8
# A good row on its way into the table. Rows wait for each other, so that the memory of all of them is on its way to the
# processor at once: with many departments most of the time goes there.
NAME_START, NAME_END, READABLE, DIGEST, NAME_FIRST, NAME_SECOND, VALUE, MONTH = (8 * word for word in range(8))
QUEUE_WORDS = 8
QUEUE_ROOM = 32
# A bad row: start, end, row number, faults.
BAD_WORDS = 4
MONTH_WORDS = 3
MONTHS_ROOM = 10_000 * 12

_LF, _CR, _QUOTE, _MINUS, _POINT, _SPACE = 10, 13, 34, 45, 46, 32
_MAX_DIGITS = 18
# A slot: the number of an entry from 1 in its lower half, the upper half of the entry's hash in its upper.
_NUMBER = (1 << 32) - 1
_FULL = 1 << 62

_U = np.uint64
_ONES = _U(0x0101010101010101)
_HIGHS = _U(0x8080808080808080)
_QUOTES = _ONES * _U(_QUOTE)
_BELOW_14 = _ONES * _U(14)  # LF, CR and little else
_WORD = ir.IntType(64)
_TWO_WORDS = ir.IntType(128)
_BYTE = ir.IntType(8)

Codegen = Callable[..., Any]


def _memory(kind: Any, *, result: Any, value: bool = False) -> tuple[Any, Codegen]:
    """The signature and the code of a load or store of `kind` at an address, aligned or not."""

    def load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        loaded = builder.load(pointer, typ=kind)
        loaded.align = 1
        return loaded if kind is _WORD else builder.zext(loaded, _WORD)

    def store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        builder.store(args[1] if kind is _WORD else builder.trunc(args[1], kind), pointer).align = 1
        return context.get_dummy_value()

    return (result(types.int64, types.int64), store) if value else (result(types.int64), load)


@intrinsic
def _folded_product(typing: Any, one: Any, other: Any) -> Any:
    """The upper half of the 128-bit product of two words, XOR its lower half."""

    def multiply(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.mul(*(builder.zext(word, _TWO_WORDS) for word in args))
        upper = builder.trunc(builder.lshr(product, _TWO_WORDS(64)), _WORD)
        return builder.xor(upper, builder.trunc(product, _WORD))

    return types.uint64(types.uint64, types.uint64), multiply


@intrinsic
def _load(typing: Any, address: Any) -> Any:
    """Eight bytes, little-endian."""
    return _memory(_WORD, result=types.uint64)


@intrinsic
def _get(typing: Any, address: Any) -> Any:
    return _memory(_WORD, result=types.int64)


@intrinsic
def _put(typing: Any, address: Any, value: Any) -> Any:
    return _memory(_WORD, result=types.void, value=True)


@intrinsic
def _byte(typing: Any, address: Any) -> Any:
    return _memory(_BYTE, result=types.int64)


@intrinsic
def _put_byte(typing: Any, address: Any, value: Any) -> Any:
    return _memory(_BYTE, result=types.void, value=True)


@intrinsic
def _prefetch(typing: Any, address: Any) -> Any:
    """Say that the cache line at `address` will be needed."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        pointer = builder.inttoptr(args[0], _BYTE.as_pointer())
        builder.call(function, [pointer, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def _first_hit(typing: Any, hits: Any) -> Any:
    """The index of the lowest byte with a bit set; `hits` is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.lshr(zeros, ir.Constant(_WORD, 3))

    return types.int64(types.uint64), codegen


@njit(nogil=True)
def _field_end(i: int, end: int, delimiter: int) -> int:
    """The first delimiter or line end in ``[i, end)``, or `end`."""
    delimiters = _U(delimiter) * _ONES
    while i + 8 <= end:
        word = _load(i)
        other = word ^ delimiters
        hits = (((other - _ONES) & ~other) | ((word - _BELOW_14) & ~word)) & _HIGHS
        if hits == _U(0):
            i += 8
            continue
        i += _first_hit(hits)
        c = _byte(i)
        if c == delimiter or c == _LF or c == _CR:
            return i
        i += 1
    while i < end:
        c = _byte(i)
        if c == delimiter or c == _LF or c == _CR:
            break
        i += 1
    return i


@njit(nogil=True)
def _quote(i: int, end: int) -> int:
    """The first quote in ``[i, end)``, or `end`."""
    while i + 8 <= end:
        other = _load(i) ^ _QUOTES
        hits = (other - _ONES) & ~other & _HIGHS
        if hits != _U(0):
            return i + _first_hit(hits)
        i += 8
    while i < end and _byte(i) != _QUOTE:
        i += 1
    return i


@njit(nogil=True)
def _line_end(i: int, end: int) -> int:
    """The first line end in ``[i, end)``, or `end`."""
    while i < end and _byte(i) != _LF and _byte(i) != _CR:
        i += 1
    return i


@njit(nogil=True)
def _unescape(i: int, end: int, delimiter: int, out: int, room: int) -> tuple[int, int]:
    """Copy a field, whose content begins at `i` behind its opening quote, to `out`: where it ended, in the data and in
    the copy. What does not fit into ``[out, room)`` is left out."""
    quoted = True
    while i < end:
        c = _byte(i)
        if quoted:
            if c == _QUOTE:
                i += 1
                if i == end:
                    break
                c = _byte(i)
                if c != _QUOTE:
                    quoted = False
                    continue
        elif c == delimiter or c == _LF or c == _CR:
            break
        if out < room:
            _put_byte(out, c)
            out += 1
        i += 1
    return i, out


@njit(nogil=True)
def _compose(i: int, end: int, out: int, room: int) -> int:
    """Append a field to a name made of several, as `reports.engine.judge.join` does: the name's end, or `room`."""
    while i < end and out + 2 <= room:
        c = _byte(i)
        _put_byte(out, c)
        out += 1
        if c == 31:
            _put_byte(out, 1)
            out += 1
        i += 1
    return out if i == end else room


@njit(nogil=True)
def _copy(i: int, end: int, out: int) -> None:
    while i < end:
        _put_byte(out, _byte(i))
        i += 1
        out += 1


@njit(nogil=True)
def _is_space(c: int) -> bool:
    return c == _SPACE or (c >= 9 and c <= 13)


@njit(nogil=True)
def _trim_start(i: int, end: int) -> int:
    while i < end and _is_space(_byte(i)):
        i += 1
    return i


@njit(nogil=True)
def _trim_end(i: int, end: int) -> int:
    while i < end and _is_space(_byte(end - 1)):
        end -= 1
    return end


@njit(nogil=True)
def _month(i: int, end: int) -> int:
    """Months since the year 0 of a day that exists, ``YYYY-MM-DD``; -1 for anything else."""
    if end - i != 10:
        i = _trim_start(i, end)
        end = _trim_end(i, end)
        if end - i != 10:
            return -1
    head = _load(i)
    tail = _load(i + 2)  # YY-MM-DD
    if tail & _U(0x0000FF0000FF0000) != _U(0x00002D00002D0000):
        return -1
    digits = (head & _U(0xFFFFFFFF)) | (((tail >> _U(24)) & _U(0xFFFF)) << _U(32)) | ((tail >> _U(48)) << _U(48))
    upper = _U(0xF0F0F0F0F0F0F0F0)
    if (digits & upper) | (((digits + _U(0x0606060606060606)) & upper) >> _U(4)) != _U(0x3333333333333333):
        return -1
    digits = ((digits & _U(0x0F0F0F0F0F0F0F0F)) * _U(2561)) >> _U(8)
    digits = ((digits & _U(0x00FF00FF00FF00FF)) * _U(6553601)) >> _U(16)
    number: Any = np.int64(((digits & _U(0x0000FFFF0000FFFF)) * _U(42949672960001)) >> _U(32))
    day = number % 100
    month = number // 100 % 100
    year = number // 10000
    if month < 1 or month > 12 or day < 1 or year < 1:
        return -1
    if day > 28:
        if month == 2:
            if day > 29 or year % 4 != 0 or (year % 100 == 0 and year % 400 != 0):
                return -1
        elif day > 30 and (day > 31 or month == 4 or month == 6 or month == 9 or month == 11):
            return -1
    return year * 12 + month - 1


@njit(nogil=True)
def _whole(i: int, end: int) -> tuple[int, int]:
    """A whole number, and its fault."""
    i = _trim_start(i, end)
    end = _trim_end(i, end)
    digits = end - i
    value = 0
    while i < end:
        digit = _byte(i) - 48
        if digit < 0 or digit > 9:
            return value, SALES
        value = value * 10 + digit
        i += 1
    if digits == 0:
        return value, SALES
    return value, UNDECIDED if digits > _MAX_DIGITS else 0


@njit(nogil=True)
def _amount(i: int, end: int) -> tuple[int, int, int]:
    """A decimal in units of ``10**-AMOUNT_SCALE``, its fault, and how many digits are behind its point."""
    i = _trim_start(i, end)
    end = _trim_end(i, end)
    negative = i < end and _byte(i) == _MINUS
    if negative:
        i += 1
    value = 0
    digits = 0
    point = -1
    while i < end:
        c = _byte(i)
        if c == _POINT and point < 0:
            point = digits
        else:
            if c < 48 or c > 57:
                return value, SALES, 0
            value = value * 10 + (c - 48)
            digits += 1
        i += 1
    places = digits - point if point >= 0 else 0
    if digits == 0 or (point >= 0 and places == 0):
        return value, SALES, 0
    if places > AMOUNT_SCALE or digits - places + AMOUNT_SCALE > _MAX_DIGITS:
        return value, UNDECIDED, 0
    for _ in range(AMOUNT_SCALE - places):
        value *= 10
    return -value if negative else value, 0, places


@njit(nogil=True)
def _word(i: int, end: int, readable: int) -> Any:
    """The up to eight bytes of ``[i, end)``, the rest of the word zero; memory may be read up to `readable`."""
    if end - i >= 8:
        return _load(i)
    if i + 8 <= readable:
        return _load(i) & ((_U(1) << _U(8 * (end - i))) - _U(1))
    word = _U(0)
    shift = _U(0)
    while i < end:
        word |= _U(_byte(i)) << shift
        shift += _U(8)
        i += 1
    return word


@njit(nogil=True)
def _entry(state: int, i: int, end: int, readable: int, digest: int, first: int, second: int) -> int:
    """The table's entry for the name ``[i, end)``, new if there was none; 0 when there is no room for it."""
    length = end - i
    slots = _get(state + SLOTS)
    mask = _get(state + SLOT_MASK)
    entries = _get(state + ENTRIES)
    arena = _get(state + ARENA)
    arena_end = arena + _get(state + ARENA_ROOM)
    slot = digest & mask
    while True:
        found = _get(slots + 8 * slot)
        if found == 0:
            break
        entry = entries + (found & _NUMBER) * (8 * ENTRY_WORDS) - (8 * ENTRY_WORDS)
        # The upper half tells most other names without a look at their entries.
        if (
            (found ^ digest) >> 32 == 0
            and _get(entry + LENGTH) == length
            and _get(entry + FIRST) == first
            and _get(entry + SECOND) == second
        ):
            if length <= 16:
                return entry
            known = arena + _get(entry + OFFSET) + 16
            k = i + 16
            while k < end and _word(known, known + (end - k), arena_end) == _word(k, end, readable):
                k += 8
                known += 8
            if k >= end:
                return entry
        slot = (slot + 1) & mask
    number = _get(state + ENTRIES_USED)
    offset = _get(state + ARENA_USED)
    if number == _get(state + ENTRIES_ROOM) or arena + offset + length > arena_end:
        _put(state + NEEDED, length)
        return 0
    _copy(i, end, arena + offset)
    _put(slots + 8 * slot, (digest & ~_NUMBER) | (number + 1))
    entry = entries + number * (8 * ENTRY_WORDS)
    _put(entry + HASH, digest)
    _put(entry + OFFSET, offset)
    _put(entry + LENGTH, length)
    _put(entry + FIRST, first)
    _put(entry + SECOND, second)
    for word in range(3):
        _put(entry + SUMS + 8 * word, 0)
    _put(state + ENTRIES_USED, number + 1)
    _put(state + ARENA_USED, offset + length)
    return entry


@njit(nogil=True)
def _add(sums: int, value: int) -> None:
    """Add a row's value to three words: the sum's low and high part, the number of rows."""
    low = _get(sums) + value
    if low >= _FULL or low <= -_FULL:
        _put(sums + 8, _get(sums + 8) + (low >> LOW_BITS))
        low &= LOW_MASK
    _put(sums, low)
    _put(sums + 16, _get(sums + 16) + 1)


@njit(nogil=True)
def _add_row(entry: int, months: int, value: int, month: int) -> None:
    _add(entry + SUMS, value)
    if month >= 0:
        _add(months + month * (8 * MONTH_WORDS), value)


@njit(nogil=True)
def _digest(state: int, i: int, end: int, readable: int, first: Any, second: Any) -> Any:
    """A keyed hash of the name ``[i, end)``, whose first two words are known.

    It multiplies as wyhash does (Wang Yi, "Modern non-cryptographic hash function", 2019). Without a random key a file
    could hold names with equal hashes, and each lookup would compare all of them: quadratic work in one call that
    nobody can cancel.
    """
    key, key_2 = _U(_get(state + HASH_KEY)), _U(_get(state + HASH_KEY_2))
    digest = _folded_product(first ^ key, second ^ key_2)
    size = end - i
    i += 16
    while i < end:
        digest = _folded_product(digest ^ _word(i, end, readable), key)
        i += 8
    return np.int64(_folded_product(digest ^ _U(size), key_2))


@njit(nogil=True)
def _enqueue(
    state: int, i: int, end: int, readable: int, digest: int, first: int, second: int, value: int, month: int
) -> int:
    """Queue a good row with the name ``[i, end)``; how many wait then."""
    _prefetch(_get(state + SLOTS) + 8 * (digest & _get(state + SLOT_MASK)))
    queued = _get(state + QUEUED)
    row = _get(state + QUEUE) + queued * (8 * QUEUE_WORDS)
    _put(row + NAME_START, i)
    _put(row + NAME_END, end)
    _put(row + READABLE, readable)
    _put(row + DIGEST, digest)
    _put(row + NAME_FIRST, first)
    _put(row + NAME_SECOND, second)
    _put(row + VALUE, value)
    _put(row + MONTH, month)
    _put(state + QUEUED, queued + 1)
    return queued + 1


@njit(nogil=True)
def _flush(state: int) -> bool:
    """Add the queued rows to their totals; whether all found room in the table. Those that did not stay queued."""
    queue = _get(state + QUEUE)
    queued = _get(state + QUEUED)
    slots = _get(state + SLOTS)
    mask = _get(state + SLOT_MASK)
    entries = _get(state + ENTRIES)
    months = _get(state + MONTHS)
    end = queue + queued * (8 * QUEUE_WORDS)
    row = queue
    while row < end:
        found = _get(slots + 8 * (_get(row + DIGEST) & mask))
        _prefetch(entries + (found & _NUMBER) * (8 * ENTRY_WORDS) - (8 * ENTRY_WORDS))
        row += 8 * QUEUE_WORDS
    row = queue
    while row < end:
        entry = _entry(
            state,
            _get(row + NAME_START),
            _get(row + NAME_END),
            _get(row + READABLE),
            _get(row + DIGEST),
            _get(row + NAME_FIRST),
            _get(row + NAME_SECOND),
        )
        if entry == 0:
            break
        _add_row(entry, months, _get(row + VALUE), _get(row + MONTH))
        row += 8 * QUEUE_WORDS
    _copy(row, end, queue)
    _put(state + QUEUED, (end - row) // (8 * QUEUE_WORDS))
    return row == end


@njit(nogil=True)
def _return(state: int, at: int, rows: int, status: int) -> int:
    """End a call, unless there is no room for what is queued: then that comes first, and the call will end again."""
    if status != TABLE_FULL and not _flush(state):
        status = TABLE_FULL
    _put(state + START, at - _get(state + DATA))
    _put(state + ROWS, rows)
    return status


@njit("int64(int64)", nogil=True, cache=True)
def fold_block(state: int) -> int:
    """Fold the records that begin between START and STOP; how it ended. With room made it may be called again."""
    data = _get(state + DATA)
    i = data + _get(state + START)
    stop = data + _get(state + STOP)
    end = data + _get(state + END)
    final = _get(state + FINAL) != 0
    delimiter = _get(state + DELIMITER)
    longest = _get(state + LONGEST)
    amounts = _get(state + AMOUNTS) != 0
    roles = _get(state + ROLES)
    width = _get(state + WIDTH)
    composed = _get(state + NAMES) > 1
    months = _get(state + MONTHS)
    name_scratch = _get(state + SCRATCH)
    name_room = name_scratch + _get(state + SCRATCH_ROOM)
    field_scratch = name_room
    field_room = field_scratch + _get(state + SCRATCH_ROOM)
    bad = _get(state + BAD)
    bad_room = _get(state + BAD_ROOM)
    rows = _get(state + ROWS)
    queue_from = _get(state + QUEUE_FROM)
    if not _flush(state):
        return TABLE_FULL
    while i < stop:
        c = _byte(i)
        if c == _LF or c == _CR:
            i += 1
            continue
        start = i
        limit = min(end, start + longest + 1)
        column = 0
        fault = 0
        copied_name = composed
        name_start = 0
        name_end = name_scratch
        month = -1
        value = 0
        places = 0
        while True:
            role = _byte(roles + column) if column < width else 0
            copied = False
            s = i
            if i < limit and _byte(i) == _QUOTE:
                s += 1
                e = _quote(s, limit)
                i = e + 1
                if i < limit:
                    c = _byte(i)
                    if c != delimiter and c != _LF and c != _CR:
                        i, e = _unescape(s, limit, delimiter, field_scratch, field_room)
                        s = field_scratch
                        copied = True
                        if e == field_room and role != 0:
                            fault |= UNDECIDED
                else:
                    i = limit
            else:
                i = _field_end(i, limit, delimiter)
                e = i
            if role & IS_DATE:
                month = _month(s, e)
                if month < 0:
                    fault |= DATE
            if role & IS_SALES:
                if amounts:
                    value, verdict, places = _amount(s, e)
                else:
                    value, verdict = _whole(s, e)
                fault |= verdict
            if role & IS_DEPARTMENT:
                s = _trim_start(s, e)
                e = _trim_end(s, e)
                if s == e:
                    fault |= DEPARTMENT
                if composed:
                    if name_start != 0 and name_end + 2 <= name_room:
                        _put_byte(name_end, 31)
                        _put_byte(name_end + 1, 0)
                        name_end += 2
                    name_start = name_scratch
                    name_end = _compose(s, e, name_end, name_room)
                    if name_end + 2 > name_room:
                        fault |= UNDECIDED
                elif copied:
                    # The next field to be unescaped would overwrite it.
                    copied_name = True
                    name_start = name_scratch
                    name_end = name_scratch + (e - s)
                    _copy(s, e, name_scratch)
                else:
                    name_start = s
                    name_end = e
            column += 1
            if i < limit and _byte(i) == delimiter:
                i += 1
                continue
            break
        if i == limit and i - start > longest:
            fault = TOO_LONG
            i = _line_end(start + longest, end)
        elif i == limit and not final:
            return _return(state, start, rows, DONE)
        elif column != width:
            fault = FIELDS
        elif fault & UNDECIDED:
            fault = UNDECIDED
        skipping = fault == TOO_LONG and i == end and not final
        if skipping and not _flush(state):
            return _return(state, start, rows, TABLE_FULL)
        rows += 1
        after = min(i + 1, end)
        if fault != 0:
            number = _get(state + BAD_USED)
            if number == bad_room:
                return _return(state, start, rows - 1, BAD_FULL)
            row = bad + number * (8 * BAD_WORDS)
            _put(row, start - data)
            _put(row + 8, min(i, start + longest) - data)
            _put(row + 16, rows - 1)
            _put(row + 24, fault)
            _put(state + BAD_USED, number + 1)
            if skipping:
                return _return(state, end, rows, SKIPPING)
        else:
            if places > _get(state + PLACES):
                _put(state + PLACES, places)
            readable = field_room if copied_name else end
            head = _word(name_start, name_end, readable)
            tail = _word(name_start + 8, name_end, readable) if name_end - name_start > 8 else _U(0)
            digest = _digest(state, name_start, name_end, readable, head, tail)
            first, second = np.int64(head), np.int64(tail)
            # A copied name cannot wait: its place is wanted for the next one.
            if copied_name or _get(state + ENTRIES_USED) < queue_from:
                entry = _entry(state, name_start, name_end, readable, digest, first, second)
                if entry == 0:
                    return _return(state, start, rows - 1, TABLE_FULL)
                _add_row(entry, months, value, month)
            else:
                queued = _enqueue(state, name_start, name_end, readable, digest, first, second, value, month)
                if queued == QUEUE_ROOM and not _flush(state):
                    return _return(state, after, rows, TABLE_FULL)
        i = after
    return _return(state, i, rows, DONE)


@njit("void(int64)", nogil=True, cache=True)
def rehash(state: int) -> None:
    """Fill the slots, which are all empty, with the entries there are."""
    slots = _get(state + SLOTS)
    mask = _get(state + SLOT_MASK)
    entries = _get(state + ENTRIES)
    for number in range(_get(state + ENTRIES_USED)):
        digest = _get(entries + number * (8 * ENTRY_WORDS) + HASH)
        slot = digest & mask
        while _get(slots + 8 * slot) != 0:
            slot = (slot + 1) & mask
        _put(slots + 8 * slot, (digest & ~_NUMBER) | (number + 1))


@njit("int64(int64,int64,boolean)", nogil=True, cache=True)
def line_start(i: int, end: int, quoted: bool) -> int:
    """Behind the first line end in ``[i, end)`` outside quotes, or `end`; `quoted` tells whether `i` is inside some."""
    while i < end:
        c = _byte(i)
        if c == _QUOTE:
            quoted = not quoted
        elif not quoted and (c == _LF or c == _CR):
            return i + 1
        i += 1
    return end
