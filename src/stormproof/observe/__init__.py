"""Watching the target from outside, on the common clock."""
