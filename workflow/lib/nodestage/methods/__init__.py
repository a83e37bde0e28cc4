"""Methods: each scores patients, and is one row of the comparison tables."""
