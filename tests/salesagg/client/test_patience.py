"""Trying again: what may pass, and not for ever."""

import pytest

from salesagg.client import patience
from salesagg.client.errors import ClientError, NotAllowed, Refused, Unreachable, Unusable, refused
from salesagg.client.patience import Patience


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.001)


class Failing:
    """Fails so often, then gives 7."""

    def __init__(self, error: ClientError, times: int) -> None:
        self.error = error
        self.left = times

    def __call__(self) -> int:
        if self.left:
            self.left -= 1
            raise self.error
        return 7


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("No connection."),
        Refused("Slowly.", status=429),
        Refused("Moved on.", status=409),
        Refused("Damaged.", status=460),
        Refused("Down.", status=503),
        Refused("Full.", status=507),
    ],
)
def test_what_may_pass_is_tried_again_and_told_once(error: ClientError) -> None:
    said: list[str] = []
    assert Patience(60, say=said.append).call(Failing(error, 3)) == 7
    assert said == [f"{error} Trying again for up to 60 seconds …"]


@pytest.mark.parametrize(
    "error",
    [
        NotAllowed("No.", status=401),
        NotAllowed("No.", status=403),
        Refused("Gone.", status=410),
        Refused("Too large.", status=413),
        Unusable("No such file."),
    ],
)
def test_what_will_not_pass_is_not(error: ClientError) -> None:
    function = Failing(error, 2)
    with pytest.raises(type(error)):
        Patience(60, say=print).call(function)
    assert function.left == 1


def test_it_ends_when_nothing_has_succeeded_for_too_long() -> None:
    with pytest.raises(Unreachable):
        Patience(0.01, say=lambda text: None).call(Failing(Unreachable("No connection."), 10_000))


def test_a_success_begins_it_anew() -> None:
    said: list[str] = []
    patience = Patience(60, say=said.append)
    for _ in range(2):
        assert patience.call(Failing(Unreachable("No connection."), 1)) == 7
    assert len(said) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (401, b'{"code": "unauthorized", "detail": "Log in."}', NotAllowed, "Log in."),
        (413, b'{"code": "quota_exceeded", "detail": "Full."}', Refused, "Full."),
        (502, b"<html>Bad gateway</html>", Refused, "The server answers with status 502."),
        (404, b'["no problem"]', Refused, "The server answers with status 404."),
        (500, None, Refused, "The server answers with status 500."),
    ],
)
def test_an_answer_is_told_in_the_servers_words_if_it_has_any(
    status: int, body: bytes | None, kind: type[ClientError], message: str
) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert str(error) == message
