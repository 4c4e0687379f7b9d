"""The kinds of source that documents come from, one a file."""
