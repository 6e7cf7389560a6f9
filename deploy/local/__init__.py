"""The embedded default: what stands in for outside services on one machine."""
