"""The site's configuration of redaction as the policy that masks are made by."""

from custodes.config.tree import RedactionConfig
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy
from custodes.redact.zones import PrivacyZone
from custodes.units import NS_PER_MS, Ns


def mask_policy(config: RedactionConfig, zones: tuple[PrivacyZone, ...] = ()) -> MaskPolicy:
    """What a viewer without further rights gets. zones: of the camera, as they are now."""
    return MaskPolicy(
        level=MaskLevel(config.level),
        has_plates=config.plates,
        margin=config.margin,
        look_ahead_ns=Ns(round(config.look_ahead_s * 1000) * NS_PER_MS),
        zones=zones,
    )
