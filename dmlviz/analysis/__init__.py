"""Pure analyses: arrays and settings in, a record out. Nothing here reads a run folder or draws."""
