"""Which version this is, as `pyproject.toml` says; a test compares."""

VERSION = "0.1.0"
