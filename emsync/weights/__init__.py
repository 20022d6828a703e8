"""Pretrained weights: what there is, where it comes from, what is on this machine."""
