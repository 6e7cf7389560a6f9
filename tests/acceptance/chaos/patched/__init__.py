"""The product's own entry points with points of death in them, and three ways to break it."""
