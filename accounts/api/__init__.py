"""What the API of every app is built of. Thin: what operations do is in the named modules of their apps."""
