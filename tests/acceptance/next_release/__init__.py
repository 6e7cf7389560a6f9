"""What the next release might bring: two migrations, and the settings that find them."""
