"""The API is what it says it is: Schemathesis asks every operation what its description allows, and what it does not.

No answer may be a server's error or one that is not described. The examples are the same each time. ``make test`` draws
two for each operation, ``make test-all`` eight; ``API_EXAMPLES=200`` draws more.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.services.site import Site

EXAMPLES = os.environ.get("API_EXAMPLES", "2")
# Refusing what the description cannot exclude (a cursor that is none of ours) is right.
NOT_ASKED = "positive_data_acceptance"
# In a form all is text: a number in place of a name is one. That forms that are not as described are refused is tested
# beside the operation.
NOT_ASKED_OF_FORMS = f"{NOT_ASKED},negative_data_rejection"
FORM = "uploadJob"
UNLIMITED = {"API_REQUESTS_PER_MINUTE": "0", "API_REQUESTS_PER_MINUTE_PER_ADDRESS": "0", "MAX_OPEN_JOBS": "100000"}
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: what is asked here would use up the limits of the one that all share."""
    started = Site(tmp_path_factory.mktemp("described"), **UNLIMITED)
    yield started
    started.end()


@pytest.fixture(scope="module")
def secret(unlimited: Site) -> str:
    """An API token."""
    return unlimited.prepare()


@pytest.fixture(scope="module")
def served(unlimited: Site, secret: str) -> str:
    """The site's address, a worker included."""
    return unlimited.serve()


def ask(address: str, folder: Path, *options: str, not_asked: str = NOT_ASKED) -> str:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{address}/api/openapi.json", "--checks", "all", "--exclude-checks", not_asked),
            *("--generation-deterministic", "--max-examples", EXAMPLES, "--request-timeout", "20", "--no-color"),
            *options,
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    return done.stdout


def test_with_a_token_every_answer_is_as_described(served: str, secret: str, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    file = {"file": ("sales.csv", b"Department,Date,Sales\nToys,2026-01-02,3\nToys,2026-01-02,x\n")}
    requests.post(f"{served}/api/jobs/upload", headers=headers, files=file, timeout=20).raise_for_status()
    # Webhooks apart: whatever addresses are drawn, nothing may be sent to them.
    asked = ["--header", f"Authorization: Bearer {secret}"]
    ask(served, tmp_path, *asked, "--exclude-tag", "Webhooks", "--exclude-operation-id", FORM)
    ask(served, tmp_path, *asked, "--include-operation-id", FORM, not_asked=NOT_ASKED_OF_FORMS)


def test_webhooks_are_as_described(unlimited: Site, secret: str, tmp_path: Path) -> None:
    # A web process alone sends nothing.
    ask(unlimited.web(), tmp_path, "--header", f"Authorization: Bearer {secret}", "--include-tag", "Webhooks")


def test_without_a_token_every_answer_is_as_described(served: str, tmp_path: Path) -> None:
    ask(served, tmp_path)
