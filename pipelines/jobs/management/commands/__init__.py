"""Commands: the relay, the doctor, the dead letters."""
