"""What happens to the parameters once the gradient is there."""
