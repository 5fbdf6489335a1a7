"""Stylizing by optimizing the pixels: pictures and videos."""
