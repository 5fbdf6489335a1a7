"""Stylizing in one pass of a trained network: pictures and videos."""
