"""The run directory: where everything observed is kept, readable after `kill -9`."""
