"""The lifecycle of a run: the only place that decides what happens next."""
