"""The pages of reports, and what can be done on them. Thin: what they do is in the named modules of the app."""
