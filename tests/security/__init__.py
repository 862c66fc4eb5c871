"""What hostile callers, files and neighbours try; see docs/security.md."""
