"""`make load` in small: the program itself is right, and nothing is lost."""

from pathlib import Path

import pytest

from tests.load import figures
from tests.load.run import OURS_ALONE, OURS_WATCHED, THEIRS, Size, measure, services

pytestmark = pytest.mark.deep

SMALL = Size(people=10, sockets=50, megabytes=1, chunk_megabytes=0.25, quiet_seconds=1, most_seconds=60)


def test_what_ten_people_upload_while_fifty_dashboards_watch_is_not_lost_and_told_to_each(tmp_path: Path) -> None:
    with services(tmp_path) as (postgres, redis):
        report = measure(SMALL, tmp_path, postgres, redis)
    assert report.lost == []
    assert [way.way for way in report.ways] == [OURS_WATCHED, OURS_ALONE, THEIRS]
    watched, _, theirs = report.ways
    assert {kind for kind, count in watched.errors.items() if count} == set()
    assert len(report.open_ms) == len(figures.QUANTILES)
    # What takes as long as the next reading was told by no event.
    assert watched.end_ms
    assert watched.end_ms[0] < 3000
    assert watched.cpu["web"] > 0
    assert theirs.megabytes_a_second > 0
    assert "| lost | 0 | 0 | 0 |" in figures.table(report.ways)


def test_a_dashboard_that_was_never_told_the_end_is_counted_as_lost() -> None:
    figure = figures.Figures("a way", 1, 1, [], [], {}, {}, {})
    ended = [2.0, "u", 5, "completed", 3, "1970-01-01T00:00:01+00:00"]
    uploaded = {"people": [{"number": 1, "upload": "u", "acknowledged": [(5, 1.0)]}]}
    told = [[ended], [[1.5, "u", 5, "processing", 2, ""]], [[*ended[:3], "failed", *ended[4:]]]]
    figures.add_events(figure, uploaded, [{"number": 1, "told": one} for one in told])
    assert len(figure.lost) == 2
    assert pytest.approx([1000.0] * 4) == figure.end_ms
