"""Slides of every chapter, made of what its executed notebook shows."""
