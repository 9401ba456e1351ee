"""Authentication: accounts, passwords and tokens."""
