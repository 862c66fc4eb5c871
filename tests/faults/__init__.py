"""What must happen when something fails, with real processes.

| fault | what must happen | test |
|---|---|---|
| `kill -9` of a worker in a window | taken over within lease + 5 s, exact | `test_leases`, `_kill`, `_splits` |
| killed `MAX_ATTEMPTS` times without progress | `worker_lost`; the queue moves on; retry works | `test_leases` |
| SIGSTOP beyond the lease, then CONT | nothing written, it works on | `test_leases`, `test_imports` (in a commit) |
| SIGSTOP in a transaction or a COPY | PostgreSQL ends it, nobody waits longer | `test_database` |
| SIGTERM in a job | released, resumed by the next, not failed | `test_kill`, `test_workers` |
| Redis restarted, away, flushed, connections cut | one run, the page catches up within 10 s | `test_redis` |
| Redis down or hanging | answers within 6 s, log-in works, jobs run | `test_redis`, `test_grpc` |
| Redis full | uploads, log-in, jobs and pages work | `test_redis` |
| a process dies between ending an upload and its jobs | a sweeper ends them | `reports/test_sweeper` |
| hint lost | begun by a sweeper within 10 s | `test_queue` |
| the same hint 16 times | one claim | `test_queue` |
| several sweepers at once | everything is done, and told, once | `test_queue` |
| cancelling races the end | one end, the one that was answered | `test_queue` |
| PostgreSQL restarted, cut off, away | work goes on, pages catch up; 503 meanwhile | `test_database`, `test_grpc` |
| disk full: files, database too | 507, nothing recorded or left behind; the job waits; database intact | `test_disk` |
| clocks of workers an hour off | no change | `test_leases` |
| storage away, hanging, parts lost | told, retried, or failed with the offset | `test_storage` |
| migrations while jobs run | nothing lost, nobody waits for long | `test_migrations`, here and in `salesagg` |
| a gRPC server or client dies, sleeps, does not read | all or nothing | `test_grpc` |
| whoever sends a webhook dies | told again, acted on once | `test_webhooks` |
| all of it at random, for as long as one likes | nothing lost, doubled or stuck | `test_soak`, `make soak` |
"""
