"""Social: posts and the feed."""
