"""Feature extractors, one modality a file; each answers with a `FeatureReport`."""
