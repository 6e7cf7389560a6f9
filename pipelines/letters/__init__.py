"""Letters: what the house writes to people about their accounts."""
