"""Customers: imported, listed, changed, exported, and removed again."""
