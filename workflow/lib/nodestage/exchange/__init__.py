"""What leaves a study and comes back: the frozen bundle, a hospital's packet, returned results."""
