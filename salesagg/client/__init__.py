"""The command-line client: sends files to a site, watches their jobs, fetches the results.

It is a program of its own that talks to a site over HTTP, like any other: no settings, no database, no Django.
"""
