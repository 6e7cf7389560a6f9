"""What every noun shares: steps, dispatch, errors, abstract models."""
