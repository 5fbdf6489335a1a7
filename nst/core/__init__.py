"""Tensors, devices, threads and files: what every other package stands on."""
