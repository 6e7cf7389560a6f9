"""Jobs: accepted work that always ends; the database is their only truth."""
