"""Base model and LoRA voices: registry, generation, training and evaluation."""
