"""The project: settings, URLs, servers and what every app shares at the outermost layer."""
