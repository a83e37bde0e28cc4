"""The tumor: its mask, and the slices and crop that networks see of it."""
