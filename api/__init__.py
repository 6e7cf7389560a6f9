"""The front door: HTTP only, without models, tasks or heavy imports."""
