"""From a request to rows: the plan, and supervised child processes that run any kind of work."""
