"""The baselines as re-implemented by the release of Affect-Diff."""
