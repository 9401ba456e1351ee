"""Break the target on purpose, and make sure that somebody else makes it whole again."""
