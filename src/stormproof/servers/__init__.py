"""Speak to the databases and caches of a target: for who observes them and who breaks them."""
