"""The policy that the settings ask for."""

from __future__ import annotations

from chalicelib.config.settings import Settings
from chalicelib.policy.asked_service import AskedService
from chalicelib.policy.everybody import Everybody
from chalicelib.policy.group_file import GroupFile
from chalicelib.policy.policy import Policy


def policy_of(settings: Settings) -> Policy:
    """Raises SettingsError if POLICY_FILE cannot be read."""
    if settings.policy_url:
        return AskedService(settings.policy_url, settings.policy_token)
    return GroupFile(settings.policy_file) if settings.policy_file else Everybody()
