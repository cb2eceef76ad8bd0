"""Whole training steps, funcnn beside its peers."""

from benchmarks.steps._command import steps as steps
