"""From a record to findings, objectives and one verdict; pure."""
