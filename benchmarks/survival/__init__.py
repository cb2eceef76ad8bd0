"""Faults that a run of `funcnn train` is to survive, each really made."""
