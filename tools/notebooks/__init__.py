"""From py:percent sources to executed notebooks, their copies for students, and the limits they keep to."""
