"""The engine: users, pacing, recording, worker processes and the fleet that holds them."""
