"""What leaves for a paper: files with their provenance, sheets, tables, bundles, checks and citations."""
