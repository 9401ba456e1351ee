"""Executors as pure schedules: which user exists where, which iteration is due when."""
