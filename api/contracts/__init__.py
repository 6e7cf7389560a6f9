"""HTTP as others have laid it out, over the same services."""
