"""What changed where and when AI came into use."""
