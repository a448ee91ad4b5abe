"""The documentation: what it shows is current, what it says to type can be typed, where it points is there."""
