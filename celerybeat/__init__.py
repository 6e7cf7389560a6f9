"""What runs by the clock: the schedule, declared in code, and beat's own app."""
