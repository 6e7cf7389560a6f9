"""Each contract's own client, over HTTP, against running processes."""
