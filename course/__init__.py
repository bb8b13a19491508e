"""To teach from the book: graded assignments."""
