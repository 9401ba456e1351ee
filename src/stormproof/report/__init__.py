"""Renderings of a verdict and its record: HTML, JUnit, terminal text. Nothing is judged here."""
