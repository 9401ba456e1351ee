"""Telemetry: metrics and logs, used by every other package."""
