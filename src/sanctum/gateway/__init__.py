"""Gateway: what every request passes, and every socket, whatever its domain."""
