"""What Shoal says about itself: logs and metrics. Never a payload, never unbounded."""
