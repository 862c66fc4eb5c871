"""People: users who log in by e-mail, their API tokens, and the one way to load what is theirs."""
