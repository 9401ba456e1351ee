"""Toxiproxy's HTTP interface over links of ours, so that its clients drive them unchanged."""
