"""Pure folds over frames: thresholds, windows, values, evidence, validity."""
