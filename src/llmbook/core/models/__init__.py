"""Models of language: attention, Transformers, published weights, generation."""
