"""The engines: what computes, renders and speaks to the outside, without a database."""
