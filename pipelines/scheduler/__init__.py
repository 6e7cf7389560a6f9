"""The scheduler: what the house does by the clock, and what it counted."""
