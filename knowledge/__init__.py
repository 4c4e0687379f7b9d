"""Sources to documents to passages to index to search: the knowledge wing."""
