"""The code of the pages in docs runs as it stands, top to bottom."""

import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parent.parent / "docs"
PAGES = [p for p in sorted(DOCS.glob("*.md")) if "```python\n" in p.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names = {"__name__": page.stem}
    exec(compile("\n".join(blocks), str(page), "exec"), names)
    if "message" in names:  # stands on the page
        said = names["message"].replace(str(names["folder"]), "FOLDER")
        assert f"```text\n{said}\n```" in page.read_text()
