"""Rendering, the session dependency, error pages, the cross-site check and static addresses. No domain words."""
