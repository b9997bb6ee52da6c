"""Stores that are disturbed: a wrapper that passes everything on, and one that ends at a change."""

CHANGES = ("create", "put", "adopt", "rename", "delete", "delete_below", "begin", "end")
"""What changes a store."""


class Wrapped:
    """Passes everything on; a test overrides what it disturbs."""

    def __init__(self, files) -> None:
        self.files_below = files

    def __getattr__(self, name):
        return getattr(self.files_below, name)


class Killed(BaseException):
    """No code of the package catches it."""


class Dying(Wrapped):
    """Changes the store so many times; then `die` comes before the next change, or after it."""

    def __init__(self, files, left, *, is_made=False) -> None:
        super().__init__(files)
        self.left, self.is_made = left, is_made

    def die(self) -> None:
        """What comes then."""
        raise Killed

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        if name not in CHANGES:
            return real

        def change(*given, **options):
            self.left -= 1
            if self.left >= 0:
                return real(*given, **options)
            if self.is_made:
                real(*given, **options)
            return self.die()

        return change
