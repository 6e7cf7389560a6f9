"""Mail: e-mails written down before they are sent, and sent once."""
