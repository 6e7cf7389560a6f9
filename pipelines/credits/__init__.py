"""Credits: what each account may spend, and the ledger that says why."""
