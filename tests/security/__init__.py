"""Attacks, one for each promise of docs/security.md. Those by another user need root to become one: see `users`."""
