"""The version, kept apart so that the build reads it without importing JAX."""

__version__ = "0.1.0"
