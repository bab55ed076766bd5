"""Pictures of groups of runs: curves, gains, ranks, errors, calibration."""
