"""What users of stormproof write against: `@journey`, `check` and the `user` that is handed in."""
