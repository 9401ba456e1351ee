"""Backing services: PostgreSQL and Valkey, each bounded in connections and in time."""
