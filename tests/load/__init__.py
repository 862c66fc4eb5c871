"""Many people upload at once while many dashboards watch: ``make load``.

The service as it runs in earnest, two web processes, two workers, PostgreSQL, Redis and files, on one machine with the
programs that ask it (`tests.load.uploading`, `tests.load.watching`). The same uploads once without dashboards, and once
to ``@tus/server`` on Node, which only receives. ``LOAD_PEOPLE`` (200) send a file of ``LOAD_FILE_MB`` (5) each, all at
once, in chunks of ``LOAD_CHUNK_MB`` (1), while ``LOAD_SOCKETS`` (1000) sockets are open. Each person has as many of
them: every change is told to five, which is more work than if most belonged to people who do nothing. A browser would
send 5 MB in one chunk; smaller ones cost more, and there is more to be told.
"""
