"""Making runs. `local` and `cost` load no torch; `fit` and `worker` do, and only in a worker's process."""
