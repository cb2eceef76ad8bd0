"""Plain text tables, for wherever Rich is not."""

from collections.abc import Sequence


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)
) -> str:
    """Rows under a header, columns aligned; those in `left` to the left."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def aligned(cell: str, column: int) -> str:
        width = widths[column]
        return cell.ljust(width) if column in left else cell.rjust(width)

    text = [
        "  ".join(aligned(cell, i) for i, cell in enumerate(line)).rstrip()
        for line in lines
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([text[0], rule, *text[1:]])
