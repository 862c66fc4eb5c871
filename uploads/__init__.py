"""Resumable uploads over tus 1.0: parts stored as objects, committed by compare-and-swap. Knows nothing of reports."""
