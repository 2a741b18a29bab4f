"""What people look at after a training: plots, pages and curves in a terminal."""
