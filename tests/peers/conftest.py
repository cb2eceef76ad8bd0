"""The comparison with Flax is collected where it is asked for: with `-m peers`.

It needs the extra of that name. Without Flax it fails to be collected, and is not
skipped; without the marker nothing here is imported.
"""

import re


def pytest_ignore_collect(collection_path, config):
    if collection_path.suffix == ".py" and not _are_asked_for(config.option.markexpr):
        return True
    return None


def _are_asked_for(expression):
    return re.search(r"(?<!not )\bpeers\b", expression) is not None
