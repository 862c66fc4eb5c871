"""Jobs, their results and who is told of them, for programs. Thin: what operations do is in the modules of the app."""
