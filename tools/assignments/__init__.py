"""Graded assignments: from one source a set, a student's version, an instructor's, and marks.

`source` reads a set, `build` makes both versions with Otter-Grader, `jail` starts a process that is
shut off, `inmate` runs a submission in there, `wire` is what may pass between the two, and `grade`
asks Otter's tests about the answers that come out. `python -m tools.assignments` is the command.
"""
