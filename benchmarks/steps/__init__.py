"""Whole training steps, funcnn beside its peers; `_command` runs them."""
