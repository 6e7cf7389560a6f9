"""Commands: housekeeping by hand, and what runs by the clock."""
