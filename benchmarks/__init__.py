"""Side-by-side timings, written as JSON."""
