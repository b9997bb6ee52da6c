r"""Naming: how are names and addresses shown, which other people have chosen?

1. A name may hold signs that move a terminal's cursor, colour it, or begin a new line. They are
   written as escapes: an id as a shell reads it (``$'two\nlines'``), so that it can be pasted.
2. An address may hold a password, or a signature in its query. They are used and never shown.
"""

import difflib
import re
import unicodedata
from bisect import bisect
from collections.abc import Sequence
from itertools import islice

ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
NEIGHBOURS = 500
"""Names next to an unknown one that are searched for what may have been meant."""
USER = re.compile(r"(\b[a-z][a-z0-9+.-]*:/{1,2})[^/\s'\"]*@")
"""The user and password of an address in a text; one slash where it was made a Path."""
QUERY = re.compile(r"""(['"])(https?:/[^'"?#]*)[?#][^'"]*\1|(\bhttps?:/[^\s'"?#]*)[?#][^\s'"]*""")
"""A web address in a text, in quotes or not, and its query."""


def one_line(words: str) -> str:
    r"""Writes the signs of control and of direction in words as escapes.

    >>> print(one_line("two\nlines"))
    two\x0alines
    """
    if words.isprintable():
        return words
    return "".join(_escape(sign) if _is_control(sign) else sign for sign in words)


def quoted(name: str) -> str:
    r"""Gives an id as it is shown: where it holds signs of control, quoted as Bash and Zsh read it.

    >>> print(quoted("ward 1/a"), quoted("it's\ntwo"))
    ward 1/a $'it\'s\ntwo'
    """
    if name.isprintable() or not any(map(_is_control, name)):
        return name
    shown = (ESCAPES.get(sign) or (_escape(sign) if _is_control(sign) else sign) for sign in name)
    return f"$'{''.join(shown)}'"


def nearest(name: str, names: Sequence[str], count: int = 3) -> list[str]:
    """Gives the names that are most like one, of those sorted about it or that have it in them.

    >>> nearest("case_7/right", ["aa", "ab", "ac", "case_07/left", "case_07/right"], 2)
    ['case_07/right', 'case_07/left']
    """
    at, low = bisect(names, name), name.lower()
    about = set(names[max(0, at - NEIGHBOURS) : at + NEIGHBOURS])
    last = low.rpartition("/")[2]
    within = (other for other in names if last and last in other.lower())
    about.update(islice(within, NEIGHBOURS))
    return difflib.get_close_matches(name, sorted(about), n=count, cutoff=0.0)


def plain(words: str) -> str:
    """Leaves user, password and query out of the addresses in a text; a key of S3 may have a "?".

    >>> plain("'https://me:secret@host/a b.mp4?sig=x' does not exist; s3://bucket/who?.mp4 does")
    "'https://host/a b.mp4' does not exist; s3://bucket/who?.mp4 does"
    """
    if ":/" not in words:
        return words
    return QUERY.sub(r"\1\2\1\3", USER.sub(r"\1", words))


def path_of(url: str) -> str:
    """Gives an address up to its query or fragment, which only those of the web have.

    >>> path_of("https://host/a.mp4?sig=x/y"), path_of("s3://bucket/day#2.mp4")
    ('https://host/a.mp4', 's3://bucket/day#2.mp4')
    """
    return re.split("[?#]", url, maxsplit=1)[0] if url.startswith(("http://", "https://")) else url


def shown(url: str) -> str:
    """Gives an address as it is shown: without user, password and query.

    >>> shown("https://me:secret@host/a b.mp4?sig=x")
    'https://host/a b.mp4'
    """
    return USER.sub(r"\1", path_of(url))


def _is_control(sign: str) -> bool:
    """Whether a sign acts on a terminal: C0, C1, line ends, and marks that turn the direction."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") and sign not in JOINERS


JOINERS = "\u200c\u200d"
"""What joins letters and emoji, and moves nothing."""


def _escape(sign: str) -> str:
    code = ord(sign)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def byte_words(count: int) -> str:
    """Says a number of bytes.

    >>> byte_words(1_500), byte_words(2_400_000_000)
    ('1.5 kB', '2.4 GB')
    """
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"
