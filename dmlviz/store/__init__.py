"""Run folders and all else that a home keeps: the only room that knows its paths."""
