"""Allowance: how many frames and tokens may a session still give?

1. A frame counts when it is given first; given again, it costs nothing.
2. A crop of the film costs the tokens of its own size, once for each box: a large crop of a small
   stored picture is no way round the limit.
"""

from collections.abc import Hashable, Iterable

from fewframes.errors import BudgetSpentError


class Allowance:
    """Counts what is given; not safe under threads, its session holds a lock.

    >>> allowance = Allowance(max_frames=3, max_tokens=None, frame_tokens=0)
    >>> allowance.take(8), allowance.count([4, 5]), allowance.count([5, 6]), allowance.left
    (3, 2, 1, 0)
    """

    def __init__(
        self,
        *,
        max_frames: int | None,
        max_tokens: int | None,
        frame_tokens: int,
        given: Iterable[int] = (),
    ) -> None:
        """Begins to count; ``given`` are marks of frames that were given before.

        Raises ValueError where a limit is below 1.
        """
        for name, most in (("max_frames", max_frames), ("max_tokens", max_tokens)):
            if most is not None and most < 1:
                raise ValueError(f"{name}={most} allows nothing; pass {name} >= 1, or leave it out")
        self.max_frames, self.max_tokens, self.frame_tokens = max_frames, max_tokens, frame_tokens
        self.given = set(given)
        """Marks of the frames that were given: rows of the table, or below 0 frames of the film."""
        self.tokens = len(self.given) * frame_tokens
        """Tokens of all that was given."""
        self._crops: set[Hashable] = set()

    @property
    def left(self) -> int | None:
        """Frames of the store that may still be given; None without a limit."""
        left = [] if self.max_frames is None else [self.max_frames - len(self.given)]
        if self.max_tokens is not None:
            left.append((self.max_tokens - self.tokens) // self.frame_tokens)
        return max(0, min(left)) if left else None

    def take(self, k: int) -> int:
        """Gives how many of ``k`` frames may be given; BudgetSpentError where none may."""
        left = self.left
        if left == 0:
            raise self._spent()
        return k if left is None else min(k, left)

    def check(self, mark: int) -> None:
        """Refuses a frame that is new where none may be given; raises as `take`."""
        if mark not in self.given:
            self.take(1)

    def count(self, marks: Iterable[int]) -> int:
        """Counts frames as given; says how many of them are new."""
        new = set(marks) - self.given
        self.given |= new
        self.tokens += len(new) * self.frame_tokens
        return len(new)

    def check_film(self, mark: int) -> None:
        """Refuses a frame of the film that is new where no frame, or no token, may be given."""
        is_spent = self.max_frames is not None and len(self.given) >= self.max_frames
        if (is_spent and mark not in self.given) or self._tokens_left() == 0:
            raise self._spent()

    def count_crop(self, mark: int, crop: Hashable, tokens: int) -> int:
        """Counts a crop of a film's frame, of so many tokens; 1 where the frame is new, else 0.

        Raises BudgetSpentError where so many tokens are not left, and counts nothing then.
        """
        cost, left = 0 if crop in self._crops else tokens, self._tokens_left()
        if left is not None and cost > left:
            raise BudgetSpentError(
                f"this crop costs {cost} tokens, and {left} of the session's {self.max_tokens} are "
                "left; take a smaller box, or answer"
            )
        is_new = mark not in self.given
        self.given.add(mark)
        self._crops.add(crop)
        self.tokens += cost
        return int(is_new)

    def _tokens_left(self) -> int | None:
        return None if self.max_tokens is None else self.max_tokens - self.tokens

    def _spent(self) -> BudgetSpentError:
        return BudgetSpentError(
            f"all {len(self.given)} frames of the session's budget have been given; answer, "
            "or begin a session with a larger max_frames"
        )
