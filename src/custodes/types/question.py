"""What a centre may ask a site for a case: where and when something moved, or for footage. Nothing else can be asked.

There is no field for a picture, for how a person looks or who somebody is. A site answers with `types.federation`'s
`CaseAnswered`, or says that it does not. Footage is a wish to its people, which no program fulfils. Who asks, for what
and why is part of the question and of both logs.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from custodes.types.federation import Count, Slug, Time
from custodes.types.vision import VEHICLES, ObjectClass

CLASSES = {one.name.lower(): one for one in ObjectClass if one is ObjectClass.PERSON or one in VEHICLES}
"""That can be asked for."""
MAX_CLASSES, MAX_CAMERAS = 6, 64
Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Reason = Annotated[str, Meta(min_length=1, max_length=160, pattern=r"^[^\x00-\x1f\x7f]*$")]


class CaseQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What moved before which cameras in [start, end). `entry`: of the centre's own log, durable before it is sent."""

    question_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$", max_length=16)]
    site_id: Slug
    asker: Name
    """Who asks, as the centre knows them."""
    case_id: Name
    reason: Reason
    start_ns: Time
    end_ns: Time
    classes: Annotated[tuple[Slug, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
    cameras: Annotated[tuple[Slug, ...], Meta(max_length=MAX_CAMERAS)] = ()
    """None: all that the site lets the centre ask about."""
    wants_footage: bool = False
    """Of the one camera that is named: a person of the site gives an export of it, or refuses."""
    entry: Count
    expires_ns: Time
    """An answer that comes later is not waited for; the site does not answer then."""
