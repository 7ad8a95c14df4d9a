"""mlsign: the signed supply chain for machine-learning models."""
