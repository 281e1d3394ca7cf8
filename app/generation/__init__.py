"""Asking for, making and linking a new revision of a rejected image."""
