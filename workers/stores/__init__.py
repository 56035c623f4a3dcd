"""The worker-only tables: windows and what they count for, recalls, staged files, and files shared with assistants.

The volume's space account is in `chalicelib.stores`, because the sweep reads it too.
"""
