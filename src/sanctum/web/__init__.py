"""The page of the service: what a browser gets at `/`, and whom it asks for by name.

`page/` holds one HTML file, one style sheet and modules of plain JavaScript; they talk to the same
routes as any other client. `files.py` serves them from memory.
"""
