"""The dashboard in a real Chromium, on a real stack with tasks in every state."""
