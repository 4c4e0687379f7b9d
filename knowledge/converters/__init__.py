"""One file a family of formats: bytes of a document to `(its own title or None, Markdown)`."""
