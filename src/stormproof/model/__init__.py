"""Data only: what travels from plan to report."""
