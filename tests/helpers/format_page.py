"""Writes the rows of FORMAT.md that follow from tables: ``python tests/helpers/format_page.py``."""

from pathlib import Path

from fewframes.features.signals import SIGNALS

PAGE = Path(__file__).parents[2] / "FORMAT.md"
BEGIN, END = "<!-- signals: begin -->\n", "<!-- signals: end -->\n"


def signal_rows() -> str:
    """The signals as one table of Markdown."""
    facts = (
        (f"`{row.name}`", row.dtype, row.unit, row.scope, row.meaning) for row in SIGNALS.values()
    )
    rows = [("column", "type", "unit", "of", "meaning"), ("---",) * 5, *facts]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("| --- ", "|---")


def written(page: str) -> str:
    """The page with the rows between its marks written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{signal_rows()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
