"""What the log says of recognition, of vehicles and of the site's own care, in sentences: `words.audit_sentence`.

The log knows people by their ids; whoever may know a name is told it where the entry is about an enrolment. Candidates
have none before two people confirmed them. Zones and vehicles have one in the log, until it is erased.
"""

from custodes.types.access import AuditKind
from custodes.web.language.speech import Words

ABOUT_ENROLLED = frozenset(
    {
        AuditKind.ENROLMENT_INVITED,
        AuditKind.INVITATION_RENEWED,
        AuditKind.CONSENT_SIGNED,
        AuditKind.TEMPLATE_STORED,
        AuditKind.ENROLMENT_REVIEWED,
        AuditKind.ENROLMENT_ENDED,
        AuditKind.TEMPLATES_DESTROYED,
        AuditKind.JOURNEY_OPENED,
    }
)
"""Whose subject is somebody enrolled."""

RECOGNITION_WORDS: Words[AuditKind] = Words(
    {
        AuditKind.ZONE_DRAFTED: "{actor} drafted recognition zone {label}.",
        AuditKind.ZONE_APPROVED: "{actor} approved recognition zone {label} with a passkey.",
        AuditKind.ZONE_REFUSED: "{actor} refused recognition zone {label}.",
        AuditKind.ZONE_STOPPED: "{actor} stopped recognition zone {label}.",
        AuditKind.ZONE_USED: "Recognition zone {label} was switched on or off; the entry says which.",
        AuditKind.ENROLMENT_INVITED: "{actor} invited somebody to be enrolled (enrolment {subject}).",
        AuditKind.CONSENT_SIGNED: "The text of enrolment {subject} was signed.",
        AuditKind.TEMPLATE_STORED: "A picture was given for enrolment {subject}; its template was sealed.",
        AuditKind.ENROLMENT_REVIEWED: "{actor} reviewed enrolment {subject}: it goes on.",
        AuditKind.ENROLMENT_ENDED: "Enrolment {subject} was ended; the entry says why.",
        AuditKind.TEMPLATES_DESTROYED: "What enrolment {subject} stored was destroyed and can never be read again.",
        AuditKind.GALLERY_REKEYED: "{actor} had all templates turned by a new secret.",
        AuditKind.INVITATION_RENEWED: "{actor} made a new link for enrolment {subject}.",
        AuditKind.NETWORK_FORGOTTEN: "{actor} had the templates of a former network destroyed.",
        AuditKind.TRIAL_OPENED: "{actor} opened trial {subject} of a recognition zone.",
        AuditKind.VOLUNTEER_INVITED: "{actor} invited a volunteer to a trial (volunteer {subject}).",
        AuditKind.TRIAL_SIGNED: "Volunteer {subject} signed the text of a trial.",
        AuditKind.TRIAL_READ: "{actor} read what trial {subject} measured.",
        AuditKind.VOLUNTEER_LEFT: "Volunteer {subject} left a trial.",
        AuditKind.TRIAL_ENDED: "Trial {subject} was ended.",
        AuditKind.TRAINING_CHANGED: "{actor} changed the training of {subject} to verify candidates.",
        AuditKind.CANDIDATE_FILED: "A face was like somebody enrolled: candidate {subject} waits for two people.",
        AuditKind.FACES_OPENED: "{actor} opened the two pictures of candidate {subject}.",
        AuditKind.VERDICT_GIVEN: "{actor} said a word on candidate {subject}, signed with a passkey.",
        AuditKind.SIGHTING: "Two people confirmed candidate {subject}.",
        AuditKind.CHECKPOINT_VERIFIED: "Somebody was compared at a checkpoint with the template that they brought.",
        AuditKind.VEHICLE_LISTED: "{actor} listed the vehicle {label}.",
        AuditKind.VEHICLE_UNLISTED: "Vehicle {label} was taken off the list; its hash is gone.",
        AuditKind.VEHICLE_PASSED: "The listed vehicle {label} came to {zone}.",
        AuditKind.SIGNATURE_ALARM: "Camera {subject}: its signatures stopped, or do not verify; the entry says which.",
        AuditKind.PERSONAL_ERASED: "Names and reasons of old entries were erased; the entries stay and verify.",
        AuditKind.RECOVERY_KEY_MADE: "The key that opens backups was made.",
        AuditKind.BACKUP_MADE: "A backup was made.",
        AuditKind.SITE_RESTORED: "The site was restored from a backup.",
    }
)
