"""The tools that stormproof is measured against, each run as its own documentation says."""
