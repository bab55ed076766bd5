"""Groups of runs: intervals, comparisons, errors, calibration and selections of texts."""
