"""What everything else stands on: errors, clock, seeds, units, limits, canonical bytes."""
