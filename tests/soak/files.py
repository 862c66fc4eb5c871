"""Files of mixed kinds and sizes, made from a seed, each with what is right for it by plain Python."""

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.files import write_customers
from tests.reports.pipelines import reference

HEADER = ["Department Name", "Date", "Number of Sales"]
# Megabytes; those that are larger than the largest one wanted are left out.
SIZES = (0.1, 0.4, 1, 3, 8, 20, 60)
NAMES = [
    *(f"Department {number}" for number in range(40)),
    *("Käse, Öl & “mehr”", "two\nlines", 'a "b" c', "=1+1"),
]


@dataclass(frozen=True)
class File:
    """`result` are the lines of the result, or the customers; `metadata` is what an upload of it says."""

    path: Path
    kind: str
    rows: int
    bad_rows: int
    result: list[list[str]]
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def is_packed(self) -> bool:
        return self.path.suffix == ".gz"


def make_all(folder: Path, seed: int, megabytes: float) -> list[File]:
    """The sales that people upload again and again."""
    numbers = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, size in enumerate(size for size in SIZES if size <= megabytes):
        for kind in ("plain", "quoted", "amounts", "packed"):
            if size > 20 and kind != "plain":
                continue
            files.append(_make(folder / f"{number}-{kind}.csv", kind, int(size * 1_000_000), numbers))
    return files


def make_customers(path: Path, rows: int, seed: int) -> File:
    """An import whose addresses are nobody else's."""
    write_customers(path, rows, seed=seed)
    path.write_text(path.read_text(encoding="utf-8").replace("@example.org", f"@{path.stem}.example.org"), "utf-8")
    right = reference.import_customers(path.read_text(encoding="utf-8"))
    customers = [[str(value) for value in customer] for customer in right.customers]
    return File(path, "customers", right.rows, len(right.report) - 1, customers, {"kind": "customers"})


def _make(path: Path, kind: str, size: int, numbers: random.Random) -> File:
    totals: Counter[str] = Counter()
    amounts: dict[str, Decimal] = {}
    rows = bad_rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if kind == "quoted" else csv.QUOTE_MINIMAL)
        writer.writerow(HEADER)
        while file.tell() < size:
            for row in _rows(kind, numbers):
                writer.writerow(row)
                rows += 1
                if row[2] == "many":
                    bad_rows += 1
                elif kind == "amounts":
                    amounts[row[0]] = amounts.get(row[0], Decimal()) + Decimal(row[2])
                else:
                    totals[row[0]] += int(row[2])
    sums = {name: f"{value:f}" for name, value in amounts.items()} or {name: str(n) for name, n in totals.items()}
    result = [["Department Name", "Total Number of Sales"], *([name, sums[name]] for name in sorted(sums))]
    if kind == "packed":
        packed = path.with_suffix(".csv.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
        path = packed
    return File(path, kind, rows, bad_rows, result, {"amounts": "true"} if kind == "amounts" else {})


def _rows(kind: str, numbers: random.Random) -> Iterator[list[str]]:
    """Some thousand; one in five hundred is bad."""
    names = NAMES if kind in ("quoted", "packed") else NAMES[:40]
    for _ in range(2000):
        sales = f"{numbers.randrange(-99_999, 999_999) / 100:.2f}" if kind == "amounts" else str(numbers.randrange(999))
        day = f"20{numbers.randrange(15, 25)}-{numbers.randrange(1, 13):02}-{numbers.randrange(1, 29):02}"
        yield [numbers.choice(names), day, sales if numbers.randrange(500) else "many"]
