"""What was measured, from what the programs tell."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.load.program import Told
from tests.load.weighing import Weighing

QUANTILES = {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99, "all": 1.0}


@dataclass
class Figures:
    """Of one way to receive the uploads. What does not belong to it is None."""

    way: str
    wall: float
    megabytes_a_second: float
    chunk_ms: list[float]
    create_ms: list[float]
    errors: dict[str, int]
    cpu: dict[str, float]
    peak: dict[str, float]
    jobs_a_second: float | None = None
    result_ms: list[float] | None = None
    progress_ms: list[float] | None = None
    end_ms: list[float] | None = None
    lost: list[str] = field(default_factory=list)


def of(way: str, uploaded: Told, *, size: int, weighing: Weighing) -> Figures:
    """What every way has."""
    people = uploaded["people"]
    wall = max(person["acknowledged"][-1][1] for person in people) - uploaded["began"]
    return Figures(
        way=way,
        wall=wall,
        megabytes_a_second=size * len(people) / 1e6 / wall,
        chunk_ms=quantiles(seconds for person in people for seconds in person["seconds"]),
        create_ms=quantiles(person["create"] for person in people),
        errors=uploaded["errors"],
        cpu=weighing.cpu,
        peak=weighing.peak,
    )


def add_results(figures: Figures, uploaded: Told, ended: dict[str, datetime]) -> None:
    """How soon after its last byte each upload had its result; `ended` says when."""
    waited = [
        max(ended[person["upload"]].timestamp() - person["acknowledged"][-1][1], 0.0)
        for person in uploaded["people"]
        if person["upload"] in ended
    ]
    figures.result_ms = quantiles(waited)
    figures.jobs_a_second = len(waited) / (max(ended.values()).timestamp() - uploaded["began"])


def add_events(figures: Figures, uploaded: Told, dashboards: list[Any]) -> None:
    """How late each dashboard knew of what its person's upload had come to."""
    people = {person["number"]: person for person in uploaded["people"]}
    progress, ends = [], []
    for dashboard in dashboards:
        person = people[dashboard["number"]]
        told = [one for one in dashboard["told"] if one[1] == person["upload"]]
        ended = next((one for one in told if one[5]), None)
        if ended is None or ended[3] != "completed":
            figures.lost.append(f"a dashboard of person {person['number']} has not seen the end")
            continue
        ends.append(ended[0] - datetime.fromisoformat(ended[5]).timestamp())
        for offset, at in person["acknowledged"]:
            # Often told before the answer has come: the change is announced first.
            progress.append(max(next(one[0] for one in told if one[2] >= offset) - at, 0.0))
    figures.progress_ms, figures.end_ms = quantiles(progress), quantiles(ends)


def quantiles(seconds: Iterable[float]) -> list[float]:
    """In milliseconds, one for each of `QUANTILES`."""
    values = sorted(seconds)
    return [1000 * values[int(share * (len(values) - 1))] for share in QUANTILES.values()] if values else []


def table(ways: list[Figures]) -> str:
    """In Markdown, a column for each way."""
    kinds = list(dict.fromkeys(kind for way in ways for kind in way.cpu))
    rows: list[tuple[str, list[str]]] = [
        ("all received after s", [f"{way.wall:.1f}" for way in ways]),
        ("MB/s", [f"{way.megabytes_a_second:.0f}" for way in ways]),
        ("jobs/s", [_number(way.jobs_a_second) for way in ways]),
        ("created, ms", [_all(way.create_ms) for way in ways]),
        ("a chunk, ms", [_all(way.chunk_ms) for way in ways]),
        ("last byte to result, ms", [_all(way.result_ms) for way in ways]),
        ("progress told late by, ms", [_all(way.progress_ms) for way in ways]),
        ("end told late by, ms", [_all(way.end_ms) for way in ways]),
        *((f"CPU s, {kind}", [_number(way.cpu.get(kind)) for way in ways]) for kind in kinds),
        *((f"peak MiB, {kind}", [_number(way.peak.get(kind), 0) for way in ways]) for kind in kinds),
        ("errors", [" ".join(f"{what}: {count}" for what, count in way.errors.items()) or "none" for way in ways]),
        ("lost", [str(len(way.lost)) for way in ways]),
    ]
    lines = [f"| {' / '.join(QUANTILES)} | {' | '.join(way.way for way in ways)} |", f"|---|{'---:|' * len(ways)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)])


def _all(values: list[float] | None) -> str:
    return " / ".join(f"{value:,.0f}" for value in values) if values else ""


def _number(value: float | None, places: int = 1) -> str:
    return "" if value is None else f"{value:,.{places}f}"
