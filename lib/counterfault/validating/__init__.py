"""Error rates of the verdict itself, in organisations whose truth was planted."""
