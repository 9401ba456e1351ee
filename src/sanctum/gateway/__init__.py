"""Gateway: what every request passes, whatever its domain."""
