"""What ails a training: looked at from inside, with a change that mends it."""
