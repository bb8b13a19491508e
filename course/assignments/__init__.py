"""Four problem sets: one Markdown file each, and the values that differ from student to student."""
