"""``make bench``: the engine beside others, one after another on the same files, as ratios.

``BENCH_MEGABYTES`` sets the files' size (1000), ``BENCH_FILES`` a part of their names, ``BENCH_ROUNDS`` how often all
is measured (2; the best counts, since others' work on the machine only ever adds).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.bench import engines, files

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("DATA_DIR", "var")).resolve() / "bench"
MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))
CORES = os.cpu_count() or 1
# Slow enough to be measured on a tenth of the file.
SLOW = {"csv.reader", "salesagg without numba"}

Measured = dict[str, Any]


def measure(engine: str, path: Path, *, amounts: bool, threads: int, times: int = 1) -> Measured:
    """One run in a process of its own. Seconds are multiplied by `times`; memory is in MiB."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tests.bench.engines", engine, str(path), str(amounts), str(threads)]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(threads)}
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with os.fdopen(reading) as told:
        result: Measured = json.loads(told.read() or "{}")
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{engine} failed on {path}")
    return {
        "engine": engine,
        "threads": threads,
        "wall": result["seconds"] * times,
        "cpu": (usage.ru_utime + usage.ru_stime) * times,
        "peak": usage.ru_maxrss / 1024,
        "scaled": times != 1,
        "departments": result["departments"],
        "sum": result["sum"],
    }


def compare(name: str) -> list[Measured]:
    """Every engine on one file, the best of all rounds each."""
    path, amounts = files.make(FOLDER, name, MEGABYTES), name == "amounts"
    tenth = files.make(FOLDER, name, MEGABYTES // 10)
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass  # so that every engine finds it in the page cache
    threads = sorted({1, 2, CORES})
    runs = [("salesagg", count) for count in threads]
    there = engines.there_are()
    runs += [(engine, CORES) for engine in engines.ENGINES if engine in there and engine != "salesagg"]
    best: dict[tuple[str, int], Measured] = {}
    for turn in range(ROUNDS):
        for engine, count in runs:
            if engine.startswith("mawk") and name in ("quoted", "1 % bad rows"):
                continue
            if engine in SLOW and turn:
                continue
            slow = engine in SLOW
            measured = measure(engine, tenth if slow else path, amounts=amounts, threads=count, times=10 if slow else 1)
            key = engine, count
            if key not in best or measured["wall"] < best[key]["wall"]:
                best[key] = measured
    # They must agree, or they did not do the same work.
    validated = {key: measured for key, measured in best.items() if key[0] not in SLOW and "mawk" not in key[0]}
    assert len({(measured["departments"], measured["sum"]) for measured in validated.values()}) == 1, validated
    return list(best.values())


def table(name: str, measured: list[Measured]) -> str:
    """The figures of one file; `ratio` is the wall time as a multiple of ours on all cores."""
    ours = next(one["wall"] for one in measured if one["engine"] == "salesagg" and one["threads"] == CORES)
    lines = [
        f"| {name} | threads | wall s | CPU s | peak MiB | ratio |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in measured:
        about = "≈ " if one["scaled"] else ""
        lines.append(
            f"| {one['engine']} | {one['threads']} | {about}{one['wall']:.2f} | {about}{one['cpu']:.2f} "
            f"| {one['peak']:.0f} | {about}{one['wall'] / ours:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    wanted = os.environ.get("BENCH_FILES", "")
    report: dict[str, list[Measured]] = {}
    for name in files.ROWS:
        if wanted in name:
            report[name] = compare(name)
            print(table(name, report[name]) + "\n", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "engines.json"
    path.write_text(json.dumps({"megabytes": MEGABYTES, "cores": CORES, "files": report}, indent=2))
    print(f"as JSON: {path}")


if __name__ == "__main__":
    main()
