"""What docs/security.md says of tests is true: each that it names is there."""

import re

import pytest

from tests.services.processes import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


def test_threats_are_listed() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    path = ROOT / "tests" / file
    assert path.exists()
    assert re.search(rf"^ *(async )?def {name}\(", path.read_text(), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    threats = TEXT[TEXT.index("## Threats") : TEXT.index("## The audit log")]
    rows = [row.split(" | ") for row in threats.splitlines() if row.startswith("| ") and "threat | defence" not in row]
    assert len(rows) > 40
    assert [row[0] for row in rows if "::test_" not in row[-1]] == []
