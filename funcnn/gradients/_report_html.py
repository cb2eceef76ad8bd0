"""Tables as HTML: a bare one for notebooks, and a page that stands alone."""

import html
from collections.abc import Sequence

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --faint: #656d76;
  --bad: #cf222e; --bad-soft: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --line: #30363d; --soft: #161b22;
  --faint: #8d96a0; --bad: #ff7b72; --bad-soft: #3c1618; }
  body { background: #0d1117; color: #e6edf3; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem;
  padding: 0 1rem; }
h1 { font-size: 1.3rem; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .8rem; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th { border-bottom: 2px solid var(--line); }
tbody td { border-top: 1px solid var(--line); white-space: pre;
  font-family: ui-monospace, monospace; font-size: .85rem; }
tr.more td { border-top: 0; padding-top: 0; white-space: normal; }
tr.bad td { background: var(--bad-soft); }
tr.bad:not(.more) td:first-child { box-shadow: inset 4px 0 var(--bad); }
summary { cursor: pointer; color: var(--faint); font-family: system-ui, sans-serif; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem;
  margin: .5rem 0; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
p.end { color: var(--faint); margin: .3rem 0; }
"""


def html_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    ends: Sequence[str] = (),
) -> str:
    """A table with its title as caption and the lines `ends` at its foot."""
    body = "".join(_row("td", [_broken(cell) for cell in cells]) for cells in rows)
    foot = "".join(
        f'<tr><td colspan="{len(header)}">{html.escape(line)}</td></tr>'
        for line in ends
    )
    return (
        f"<table><caption>{html.escape(title)}</caption>{_head(header)}"
        f"<tbody>{body}</tbody>{f'<tfoot>{foot}</tfoot>' if foot else ''}</table>"
    )


def html_page(
    title: str,
    header: Sequence[str],
    rows: Sequence[tuple[Sequence[str], dict[str, str], bool]],
    ends: Sequence[str] = (),
) -> str:
    """A page with the table; `rows` are cells, details, and whether the row fails."""
    body = "\n".join(_page_row(*row) for row in rows)
    table = f"<table>{_head(header)}<tbody>\n{body}\n</tbody></table>" if rows else ""
    lines = "".join(f'<p class="end">{html.escape(line)}</p>' for line in ends)
    name = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_STYLE}</style></head>\n<body><h1>{name}</h1>"
        f'{lines}<div class="wide">{table}</div></body></html>\n'
    )


def _page_row(cells: Sequence[str], details: dict[str, str], bad: bool) -> str:
    row = _row("td", list(map(html.escape, cells)), "bad" if bad else "")
    if not details:
        return row
    items = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(text)}</dd>"
        for name, text in details.items()
    )
    return (
        f'{row}<tr class="{"more bad" if bad else "more"}"><td colspan="{len(cells)}">'
        f"<details><summary>details</summary><dl>{items}</dl></details></td></tr>"
    )


def _head(header: Sequence[str]) -> str:
    return f"<thead>{_row('th', list(map(html.escape, header)))}</thead>"


def _broken(cell: str) -> str:
    return html.escape(cell).replace("\n", "<br>")


def _row(tag: str, cells: Sequence[str], kind: str = "") -> str:
    """`cells` are HTML already."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<tr{attribute}>{''.join(f'<{tag}>{c}</{tag}>' for c in cells)}</tr>"
