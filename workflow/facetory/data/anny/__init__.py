"""Rendered faces with true identity and expression: the embedded default of the scale ``demo``.

Heads come from the package ``anny`` (Apache-2.0; MakeHuman data and facial actions, CC0).
"""
