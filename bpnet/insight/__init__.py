"""What data, a config and a run can tell: checked gradients, opened steps, named illnesses."""
