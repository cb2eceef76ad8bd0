"""All that is fuzzed. A new parser is an entry in the list of its module."""

from benchmarks.fuzz import _checkpoints, _config, _idx, _pictures, _safetensors
from benchmarks.fuzz._target import Target

_MODULES = (_idx, _safetensors, _pictures, _config, _checkpoints)
TARGETS: dict[str, Target] = {t.name: t for m in _MODULES for t in m.TARGETS}
