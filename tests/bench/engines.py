"""What is measured: each engine adds up a file's sales per department, leaving out the bad rows.

All but mawk do the same validation: three fields, a department, a real day written ``YYYY-MM-DD``, and a whole number
from 0 (or, for amounts, a decimal). None but ours numbers and lists the bad rows, or adds up by month in the same pass.
"""

import csv
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

Totals = dict[str, Decimal]


def salesagg(path: str, amounts: bool, threads: int, *, compiled: bool = True) -> Callable[[], Totals]:
    from reports.engine import Aggregator, acceleration

    if compiled and not acceleration.load():
        raise SystemExit("numba is needed")

    def work() -> Totals:
        aggregator = Aggregator(amounts=amounts, threads=threads)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            aggregator.read(file)
        return {line.names[0]: Decimal(line.sales) for line in aggregator.finish().departments()}

    return work


def without_numba(path: str, amounts: bool, threads: int) -> Callable[[], Totals]:
    return salesagg(path, amounts, threads, compiled=False)


def duckdb(path: str, amounts: bool, threads: int) -> Callable[[], Totals]:
    import duckdb

    # The fastest way to tell 1.5 and 1e3 from a whole number (TRY_CAST rounds them). It would not do for 007.
    kind = "DECIMAL(38, 2)" if amounts else "UBIGINT"
    number = f"CAST(TRY_CAST(s AS {kind}) AS VARCHAR) = s"
    query = f"""
        SELECT trim(d), sum(CAST(s AS {kind})), count(*)
        FROM read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '"', ignore_errors = true,
                      columns = {{'d': 'VARCHAR', 't': 'VARCHAR', 's': 'VARCHAR'}})
        WHERE trim(d) <> '' AND length(t) = 10 AND TRY_CAST(t AS DATE) IS NOT NULL AND {number}
        GROUP BY ALL"""  # noqa: S608

    def work() -> Totals:
        connection = duckdb.connect(config={"threads": threads})
        return {name: Decimal(total) for name, total, _ in connection.execute(query).fetchall()}

    return work


def polars(path: str, amounts: bool, threads: int) -> Callable[[], Totals]:
    import polars as pl

    kind = pl.Decimal(38, 2) if amounts else pl.UInt64
    number = pl.col("s").cast(kind, strict=False)
    rows = pl.scan_csv(
        path, has_header=False, skip_rows=1, schema=dict.fromkeys("dtsx", pl.String), missing_columns="insert"
    )
    day = pl.col("t").str.to_date("%Y-%m-%d", strict=False).is_not_null() & (pl.col("t").str.len_bytes() == 10)
    department = pl.col("d").str.strip_chars()
    good = rows.filter(pl.col("x").is_null() & (department != "") & day & number.is_not_null())
    totals = good.group_by(department).agg(number.sum(), pl.len())

    def work() -> Totals:
        collected = totals.collect(engine="streaming")
        return {name: Decimal(total) for name, total in zip(collected["d"], collected["s"], strict=True)}

    return work


def csv_reader(path: str, amounts: bool, threads: int) -> Callable[[], Totals]:
    whole, decimal = re.compile("[0-9]+"), re.compile(r"-?([0-9]+|[0-9]*\.[0-9]+)")
    number, kind = (decimal, Decimal) if amounts else (whole, int)
    iso = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")

    def is_day(value: str) -> bool:
        try:
            return iso.fullmatch(value) is not None and date.fromisoformat(value) is not None
        except ValueError:
            return False

    def work() -> Totals:
        totals: dict[str, Any] = defaultdict(kind)
        with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
            rows = csv.reader(file)
            next(rows)
            for row in rows:
                if len(row) == 3 and (name := row[0].strip()) and is_day(row[1]) and number.fullmatch(row[2]):
                    totals[name] += kind(row[2])
        return {name: Decimal(total) for name, total in totals.items()}

    return work


def mawk(path: str, amounts: bool, threads: int) -> Callable[[], Totals]:
    program = 'NR > 1 { s[$1] += $3 } END { for (d in s) printf "%s,%.2f\\n", d, s[d] }'

    def work() -> Totals:
        out = subprocess.run(["mawk", "-F,", program, path], capture_output=True, check=True, text=True).stdout
        return {name: Decimal(total) for name, total in (line.rsplit(",", 1) for line in out.splitlines())}

    return work


ENGINES = {
    "salesagg": salesagg,
    "salesagg without numba": without_numba,
    "DuckDB": duckdb,
    "Polars": polars,
    "csv.reader": csv_reader,
    "mawk, no validation": mawk,
}


def there_are() -> set[str]:
    """The engines that this machine has."""
    missing = {"DuckDB": importlib.util.find_spec("duckdb"), "Polars": importlib.util.find_spec("polars")}
    missing["mawk, no validation"] = shutil.which("mawk")  # type: ignore[assignment]
    return {name for name in ENGINES if missing.get(name, True)}


def main() -> None:
    """Run one engine in this process and tell what came of it, for `tests.bench.run`."""
    name, path, amounts, threads = sys.argv[1:]
    work = ENGINES[name](path, amounts == "True", int(threads))
    started = time.perf_counter()
    totals = work()
    seconds = time.perf_counter() - started
    told = {"seconds": seconds, "departments": len(totals), "sum": str(sum(totals.values(), Decimal(0)).normalize())}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
