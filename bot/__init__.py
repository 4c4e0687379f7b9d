"""The hall: a question comes in, a cited answer goes out."""
