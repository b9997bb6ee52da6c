"""Retries calls while an object store is unreachable.

1. A task is idempotent, so one that gets no answer runs again: after a second, then after twice
   as long each time, up to half a minute.
2. All tasks of a run share one limit: ten minutes from the first that got no answer. After that
   they fail at once, until one succeeds.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from fewframes.errors import StoreAwayError

R = TypeVar("R")
RETRY_SECONDS = 600.0
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
STEP_SECONDS = 0.5
"""How soon a stopped run is noticed."""


class RetryPolicy:
    """Makes calls for several threads, again where an object store is away.

    >>> RetryPolicy().call(lambda: 7, is_over=lambda: False)
    7
    """

    def __init__(self, seconds: float = RETRY_SECONDS) -> None:
        self.seconds = seconds
        self._away_since: float | None = None

    def call(self, function: Callable[[], R], *, is_over: Callable[[], bool]) -> R:
        """Gives what the function gives; ``is_over`` ends the waiting.

        Raises:
            StoreAwayError: An object store has been away for too long.
        """
        pause = FIRST_SECONDS
        while True:
            try:
                result = function()
            except StoreAwayError:
                if is_over() or self._is_spent():
                    raise
            else:
                self._away_since = None
                return result
            _wait(pause, is_over)
            pause = min(2 * pause, LONGEST_SECONDS)

    def _is_spent(self) -> bool:
        now = time.monotonic()
        since = self._away_since = self._away_since or now
        return now - since >= self.seconds


def _wait(seconds: float, is_over: Callable[[], bool]) -> None:
    ready = time.monotonic() + seconds
    while time.monotonic() < ready and not is_over():
        time.sleep(STEP_SECONDS)
