"""Privacy: all of a person's data as a file, and none of it any more."""
