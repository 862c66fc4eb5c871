"""Sales files, small and large, and what is right for them."""

import csv
import random
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

HEADER = "Department Name,Date,Number of Sales\n"
BLOCK_ROWS = 20_000


def sales_csv(rows: int, *, seed: int = 1, departments: int = 5, bad_every: int = 0) -> bytes:
    """A sales file; with `bad_every`, every so many rows one is bad."""
    numbers = random.Random(seed)
    lines = [HEADER]
    for row in range(1, rows + 1):
        sales = "many" if bad_every and row % bad_every == 0 else str(numbers.randrange(1000))
        day = f"2024-{numbers.randrange(1, 13):02}-{numbers.randrange(1, 29):02}"
        lines.append(f"Department {numbers.randrange(departments)},{day},{sales}\n")
    return "".join(lines).encode()


def write_sales(path: Path, size: int, *, departments: int = 12, seed: int = 1) -> Path:
    """A file of at least `size` bytes; one row in a thousand is bad."""
    numbers = random.Random(seed)
    blocks = []
    for _ in range(10):
        rows = []
        for row in range(BLOCK_ROWS):
            sales = numbers.randrange(1000) if row % 1000 else "many"
            day = f"2024-{numbers.randrange(1, 13):02}-{numbers.randrange(1, 29):02}"
            rows.append(f"Department {numbers.randrange(departments)},{day},{sales}\n")
        blocks.append("".join(rows).encode())
    with path.open("wb") as file:
        file.write(HEADER.encode())
        block = 0
        while file.tell() < size:
            file.write(blocks[block % len(blocks)])
            block += 1
    return path


def totals_by_csv(path: Path) -> tuple[dict[str, int], int, int]:
    """Totals, rows and bad rows by Python's `csv` and the rules, in bounded memory."""
    totals: Counter[str] = Counter()
    rows = bad_rows = 0
    known: dict[str, bool] = {}

    def is_day(value: str) -> bool:
        if value not in known:
            known[value] = date.fromisoformat(value).isoformat() == value
        return known[value]

    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        next(reader)
        for department, day, sales in reader:
            rows += 1
            if department and sales.isdecimal() and is_day(day):
                totals[department] += int(sales)
            else:
                bad_rows += 1
    return dict(sorted(totals.items())), rows, bad_rows


def rejected_by_csv(path: Path) -> Iterator[list[str]]:
    """The report of rejected rows of a file of `write_sales`, by Python's `csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file)):
            if number == 0:
                yield ["rowNumber", *row, "error"]
            elif not row[2].isdecimal():
                yield [str(number), *row, "the sales are not a whole number from 0"]


def customers_csv(rows: int, *, first: int = 1) -> bytes:
    """Customers with numbers from `first` on, all good."""
    lines = (
        f"Person {number},person.{number}@example.org,+49 30 {number},Company {number % 50}\n"
        for number in range(first, first + rows)
    )
    return ("name,email,phone,company\n" + "".join(lines)).encode()


def write_customers(path: Path, rows: int, *, seed: int = 1) -> Path:
    """Customers of whom some have faults, and some the address of an earlier one."""
    numbers = random.Random(seed)

    def row(number: int) -> list[str]:
        luck = numbers.random()
        email = f"Person.{number if luck > 0.02 else numbers.randrange(number)}@example.org"
        return [
            "" if 0.02 < luck < 0.03 else f"Person {number}, “{numbers.randrange(100)}”",
            "nobody" if 0.025 < luck < 0.04 else email.lower() if luck < 0.01 else email,
            *(("",) if 0.04 < luck < 0.045 else ("+49 30 123", f"Company\n{number % 50}")),
        ]

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "email", "phone", "company"])
        writer.writerows(map(row, range(1, rows + 1)))
    return path
