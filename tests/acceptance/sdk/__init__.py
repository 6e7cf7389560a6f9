"""What a program does that uses the `openai` package, apart from everything that is ours."""
