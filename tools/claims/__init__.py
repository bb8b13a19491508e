"""What the book claims, and where each claim comes from: `python -m tools.claims`."""
