"""Pictures and videos in and out, cameras and the display."""
