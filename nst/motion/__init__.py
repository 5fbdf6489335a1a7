"""Optical flow, warping, and what stays the same from frame to frame."""
