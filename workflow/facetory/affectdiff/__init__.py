"""Affect-Diff: multimodal emotion by a causal graph, a β-VAE and a diffusion prior."""
