"""Performance as ratios, measured in one run against named peers; never a test."""
