"""Jobs that fold an upload into a report: life cycle, worker, live events, results."""
