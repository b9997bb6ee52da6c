"""Keywords: options that are declared once and taken by several functions.

1. A frozen dataclass holds a group of options: the name, type, default and docstring of each.
2. A function takes them as ``**changes: Unpack[Keywords]``, where ``Keywords`` is a `TypedDict` of
   the same names and types (PEP 692), so that editors complete them and type checkers check them.
3. `keywords_of` joins the two: the signature shows every option with its default, and an unknown
   keyword is an error that names the one that was meant.
4. `changed` makes the dataclass of what the function was given.
"""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", bound="DataclassInstance")


def keywords_of(options: Callable[..., Any], *, without: Collection[str] = ()) -> Callable[[F], F]:
    """Makes a decorator that names the options behind a function's ``**``.

    ``options`` is what declares them: a dataclass with ``kw_only=True``, or a function, whose
    keyword-only parameters are taken, but for those ``without`` names. Those that the decorated
    function has itself stay its own.
    A call costs one comparison of sets more.

    >>> from dataclasses import dataclass
    >>> from typing import TypedDict, Unpack
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Paper:
    ...     width: int = 210
    ...     height: int = 297
    >>> class PaperKeywords(TypedDict, total=False):
    ...     width: int
    ...     height: int
    >>> @keywords_of(Paper)
    ... def area(**changes: Unpack[PaperKeywords]) -> int:
    ...     paper = changed(Paper(), None, changes)
    ...     return paper.width * paper.height
    >>> inspect.signature(area)
    <Signature (*, width: int = 210, height: int = 297) -> int>
    >>> area(width=10), area(widht=10)
    Traceback (most recent call last):
    TypeError: area() has no option 'widht'; did you mean 'width'?
    """

    def joined(function: F) -> F:
        signature = _signature(function, options, without)
        known = {
            name: None
            for name, one in signature.parameters.items()
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and name != "self"
        }.keys()

        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:  # noqa: ANN401 (the function's own)
            if not given.keys() <= known:
                raise unknown_option(function.__name__, given, known)
            return function(*args, **given)

        call.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect
        return cast("F", call)

    return joined


def changed(default: T, options: T | None, changes: Mapping[str, object]) -> T:
    """Gives options, or the default ones for None, with some of them changed.

    Raises:
        TypeError: ``options`` is something else.

    >>> from fewframes.indexing.options import IndexOptions
    >>> given = IndexOptions(fps=1)
    >>> changed(IndexOptions(), given, {"size": 160}) == IndexOptions(fps=1, size=160)
    True
    """
    options = default if options is None else options
    if not isinstance(options, type(default)):
        raise TypeError(
            f"options={options!r} is no {type(default).__name__}; pass one, or its fields as "
            "keywords"
        )
    return replace(options, **changes)


def _signature(
    function: Callable[..., Any], options: Callable[..., Any], without: Collection[str]
) -> inspect.Signature:
    """The signature of a function, with the options in place of its ``**``."""
    signature = inspect.signature(function)
    own = [one for one in signature.parameters.values() if one.kind != one.VAR_KEYWORD]
    names = {one.name for one in own} | set(without)
    more = [
        one
        for one in inspect.signature(options).parameters.values()
        if one.kind == one.KEYWORD_ONLY and one.name not in names
    ]
    return signature.replace(parameters=[*own, *more])


def unknown_option(function: str, given: Iterable[str], known: Iterable[str]) -> TypeError:
    """Makes the error of the first keyword that is none: with the option that is near, or all.

    >>> unknown_option("index", ["fsp"], ["fps", "size"])
    TypeError("index() has no option 'fsp'; did you mean 'fps'?")
    """
    names = list(known)
    name = next(one for one in given if one not in names)
    near = difflib.get_close_matches(name, names, n=1)
    near = near or [one for one in names if one.startswith(f"{name}_")]
    cure = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
    return TypeError(f"{function}() has no option {name!r}; {cure}")
