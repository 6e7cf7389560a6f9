"""Chat: conversations, their turns, and the replies."""
