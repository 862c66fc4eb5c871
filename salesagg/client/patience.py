"""How long to go on trying."""

import time
from collections.abc import Callable
from typing import TypeVar

from salesagg.client.errors import ClientError, may_pass

T = TypeVar("T")
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 15.0


class Patience:
    """Tries again what fails, ever more slowly, until nothing has succeeded for so many seconds."""

    def __init__(self, seconds: float, *, say: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._say = say
        self.succeeded()

    def succeeded(self) -> None:
        self._failing_since: float | None = None
        self._delay = _FIRST_DELAY

    def wait(self, error: ClientError) -> None:
        """Wait before another try; raise `error` when there is no sense in one, or has been for too long."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        left = self._failing_since + self._seconds - now
        if not may_pass(error) or left <= 0:
            raise error
        if self._delay == _FIRST_DELAY:
            self._say(f"{error} Trying again for up to {self._seconds:g} seconds …")
        time.sleep(min(self._delay, left))
        self._delay = min(2 * self._delay, _LONGEST_DELAY)

    def anew(self) -> "Patience":
        """The same for something else, whose failures count by themselves."""
        return Patience(self._seconds, say=self._say)

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives, once it does not fail."""
        while True:
            try:
                result = function()
            except ClientError as error:
                self.wait(error)
            else:
                self.succeeded()
                return result
