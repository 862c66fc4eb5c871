"""Infrastructure without models: it imports Django and libraries, never an app."""
