"""The command line, and the one place where implementations are wired to seams."""
