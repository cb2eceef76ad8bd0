"""Hostile input: files that were damaged, made up, or made to do harm."""
