"""The engine: arrays in, gradients out. It knows no file, no YAML and no terminal."""
