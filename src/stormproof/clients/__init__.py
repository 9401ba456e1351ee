"""What journeys talk through: HTTP, WebSockets, the ledger; an operation is one row of the tape."""
