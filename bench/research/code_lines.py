"""Counts code lines: those that hold code and no more than a comment beside it.

    python -m fewframes.bench.research.code_lines [--at REVISION] [--json]

1. Each ``*.py`` file of a folder is split into tokens. A line counts if a token of code lies on it;
   comments, blank lines and line breaks do not.
2. Lines of docstrings do not count either: the leading text of a module, class or function, and a
   text that stands alone behind an assignment or a field.

With ``--at`` the files are those of a git revision, read from git itself: the working tree is
neither changed nor read.
"""

import ast
import io
import json
import subprocess
import tarfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click

FOLDERS = ("engine", "bindings", "kernels")
"""What is counted if no folder is named: the package without its benchmarks."""
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    r"""Counts the lines of a Python source that hold code.

    Raises:
        SyntaxError: It is no Python.

    >>> code_lines('\"\"\"A page.\"\"\"\n\nSIZE = 3  # rows\n\"\"\"Of it.\"\"\"\n# a comment\n')
    1
    """
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def sources(folder: str, root: Path) -> Iterator[str]:
    """The Python files of a folder of a working tree."""
    for path in sorted((root / folder).rglob("*.py")):
        yield path.read_text(encoding="utf-8")


def sources_at(revision: str, folder: str, root: Path) -> Iterator[str]:
    """The Python files that a folder has in a revision of the repository at ``root``.

    Raises:
        click.ClickException: Git does not know the revision, or it has no such folder.
    """
    command = ["git", "-C", str(root), "archive", "--format=tar", revision, folder]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr.decode(errors="replace").strip())
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".py") else None
            if stream is not None:
                yield stream.read().decode("utf-8")


def counted(folders: tuple[str, ...], root: Path, revision: str | None) -> dict[str, int]:
    """Code lines of each folder, then their sum as ``total``."""
    counts = {}
    for folder in folders:
        texts = sources_at(revision, folder, root) if revision else sources(folder, root)
        counts[folder] = sum(map(code_lines, texts))
    return {**counts, "total": sum(counts.values())}


@click.command()
@click.argument("folders", nargs=-1)
@click.option("--at", "revision", help="Revision of git to count; the working tree if not given.")
@click.option(
    "--root",
    default=Path(__file__).parents[2],
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Root of the repository; this one if not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(folders: tuple[str, ...], revision: str | None, root: Path, as_json: bool) -> None:
    """Counts code lines of FOLDERS (default: engine, bindings and kernels)."""
    counts = counted(folders or FOLDERS, root, revision)
    if as_json:
        click.echo(json.dumps({"at": revision, **counts}))
        return
    for name, count in counts.items():
        click.echo(f"{name:<10}{count:>8}")


if __name__ == "__main__":
    main()
