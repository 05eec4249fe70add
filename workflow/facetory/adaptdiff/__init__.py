"""AdaptDiff: adaptive negative guidance for identity-conditioned diffusion, judged by face recognition."""
