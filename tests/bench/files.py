"""The files of the benchmark, made once."""

import os
import random
from collections.abc import Callable
from pathlib import Path

HEADER = ("Department Name", "Date", "Number of Sales")
BLOCKS, BLOCK_ROWS = 20, 50_000

Row = tuple[str, ...]


def _row(numbers: random.Random, departments: int) -> Row:
    day = f"20{numbers.randrange(15, 25)}-{numbers.randrange(1, 13):02}-{numbers.randrange(1, 29):02}"
    return f"Department {numbers.randrange(departments)}", day, str(numbers.randrange(1000))


def _sometimes_bad(numbers: random.Random) -> Row:
    row = _row(numbers, 12)
    if numbers.random() >= 0.01:
        return row
    return numbers.choice([(*row[:2], "many"), (row[0], "2024-02-30", row[2]), (*row, "x")])


def _amount(numbers: random.Random) -> Row:
    department, day, _ = _row(numbers, 12)
    return department, day, f"{numbers.randrange(-20_000, 100_000) / 100:.2f}"


# What each file is about, and how a row of it is made.
ROWS: dict[str, Callable[[random.Random], Row]] = {
    "12 departments": lambda numbers: _row(numbers, 12),
    "50,000 departments": lambda numbers: _row(numbers, 50_000),
    "quoted": lambda numbers: _row(numbers, 12),
    "1 % bad rows": _sometimes_bad,
    "amounts": _amount,
}


def make(folder: Path, name: str, megabytes: int) -> Path:
    """The file called `name`, of at least so many megabytes (10**6 bytes), made unless it is there."""
    path = folder / f"{name.replace(' ', '-').replace(',', '').replace('%', 'percent')}-{megabytes}.csv"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    numbers = random.Random(name)
    blocks = [b"".join(_line(ROWS[name](numbers), name) for _ in range(BLOCK_ROWS)) for _ in range(BLOCKS)]
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        file.write(_line(HEADER, name))
        block = 0
        while file.tell() < megabytes * 1_000_000:
            file.write(blocks[block % BLOCKS])
            block += 1
    os.replace(unfinished, path)  # noqa: PTH105
    return path


def _line(row: Row, name: str) -> bytes:
    return (",".join(f'"{field}"' for field in row) if name == "quoted" else ",".join(row)).encode() + b"\n"
