"""Tables of the catalog as SQLAlchemy Core sees them. The schema itself is made by `migrations` alone.

Times are UTC nanoseconds in 64-bit integers; ids are the text ids of `units`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

METADATA = MetaData()
_UNLOGGED = text("is_sealed AND log_index IS NULL")

META = Table(
    "meta",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""`site_id`, and `newest_log_index` (see `Catalog.newest_log_index`)."""

CAMERA = Table(
    "camera",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("url", String, nullable=False),
    Column("username", String, nullable=False),
    Column("password_ref", String, nullable=False),
    Column("transport", String, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("is_looped", Boolean, nullable=False),
    Column("retention_h", Float, nullable=False, server_default="0"),
    Column("detect_areas", String, nullable=False, server_default="[]"),
    Column("scene", String, nullable=False, server_default=""),
    Column("second", String, nullable=False, server_default=""),
)

JOURNAL = Table(
    "journal",
    METADATA,
    Column("journal", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

SEGMENT = Table(
    "segment",
    METADATA,
    Column("segment_id", String, primary_key=True),
    Column("camera_id", String, nullable=False),
    Column("run", String, nullable=False),
    Column("site_id", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("path", String, nullable=False),
    Column("bytes_on_disk", BigInteger, nullable=False),
    Column("fragments", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("is_sealed", Boolean, nullable=False),
    Column("log_index", BigInteger, nullable=True),
    Column("media_ns", BigInteger, nullable=False, server_default="0"),
    Column("clock_source", String, nullable=False, server_default="unknown"),
    Column("clock_error_ns", BigInteger, nullable=False, server_default="0"),
    Column("camera_offset_ns", BigInteger, nullable=True),
    Column("lease_epoch", BigInteger, nullable=False, server_default="0"),
    Column("is_spare", Boolean, nullable=False, server_default="0"),
    Index("segment_by_time", "camera_id", "start_ns"),
    Index("segment_by_age", "is_sealed", "start_ns", "end_ns", "bytes_on_disk"),
    Index("segment_by_key", "key_id"),
    Index("segment_unlogged", "start_ns", sqlite_where=_UNLOGGED, postgresql_where=_UNLOGGED),
)

SITE_EVENT = Table(
    "site_event",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("cameras", String, nullable=False),
    Column("detail", String, nullable=False),
)
"""`cameras`: JSON list of ids."""

GARBAGE = Table(
    "garbage",
    METADATA,
    Column("segment_id", String, primary_key=True),
    Column("camera_id", String, nullable=False),
    Column("key_id", String, nullable=False),
    Column("path", String, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("bytes_on_disk", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("is_logged", Boolean, nullable=False),
    Column("is_gone", Boolean, nullable=False),
)
"""Segments whose row is gone and whose file is to go; a row stays until the log knows and the file is gone."""

HOLD = Table(
    "hold",
    METADATA,
    Column("hold_id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("camera_id", String, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Index("hold_by_camera", "camera_id"),
)

SHRED = Table(
    "shred",
    METADATA,
    Column("key_id", String, primary_key=True),
)
"""Camera-day keys of which a segment was deleted: to be destroyed once no segment needs them."""

GAP = Table(
    "gap",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("cause", String, nullable=False),
)

CHUNK = Table(
    "chunk",
    METADATA,
    Column("chunk_id", Integer, primary_key=True),
    Column("camera_id", String, nullable=False),
    Column("run", String, nullable=False),
    Column("seq_first", BigInteger, nullable=False),
    Column("seq_last", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("columns", LargeBinary, nullable=False),
    UniqueConstraint("camera_id", "run", "seq_first", name="chunk_key"),
    Index("chunk_by_time", "camera_id", "start_ns"),
)
"""Up to `chunks.MAX_FRAMES` analysed frames of one run over at most `chunks.MAX_SPAN_NS`, as columns."""

COVERAGE = Table(
    "coverage",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Index("coverage_by_end", "camera_id", "end_ns"),
)
"""Disjoint, merged intervals per camera."""

TRACKLET = Table(
    "tracklet",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("run", String, primary_key=True),
    Column("track_id", BigInteger, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("object_class", Integer, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("mean_score", Float, nullable=False),
    Column("quality", Float, nullable=False, server_default="0"),
    Column("boxes", LargeBinary, nullable=False),
    Index("tracklet_by_time", "camera_id", "start_ns"),
)
"""`boxes`: 8 float64, first and last box. `start_ns` is in the key because an analyser that was killed counts its
tracks from the beginning again while the camera's run goes on."""

CROSSING = Table(
    "crossing",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("run", String, primary_key=True),
    Column("line", String, primary_key=True),
    Column("track_id", BigInteger, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("object_class", Integer, nullable=False),
    Column("is_forward", Boolean, nullable=False),
    Index("crossing_by_time", "camera_id", "start_ns"),
)
"""A moment has two equal ends, so that retention treats it as everything else."""

FIGURE = Table(
    "figure",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("name", String, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""What remains of tracks as numbers: `kind` is the value's class, `payload` its bytes (`types.codec`). No person is in
it, so it outlives the recordings."""

TOTAL = Table(
    "total",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("recorded_ns", BigInteger, nullable=False, server_default="0"),
    Column("gaps_ns", BigInteger, nullable=False, server_default="0"),
    Column("tracks", BigInteger, nullable=False, server_default="0"),
    Column("people", BigInteger, nullable=False, server_default="0"),
    Column("vehicles", BigInteger, nullable=False, server_default="0"),
    Column("longest_segment_ns", BigInteger, nullable=False, server_default="0"),
    Column("longest_track_ns", BigInteger, nullable=False, server_default="0"),
)
"""Sums, kept in the transaction that changes what they sum up. The longest durations bound how far before an
interval something that reaches into it can begin, so that an index over the start is enough."""

ACCOUNT = Table(
    "account",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("name_folded", String, nullable=False, unique=True),
    Column("password_hash", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("cameras", String, nullable=False, server_default=""),
    Column("duty_from", Integer, nullable=False, server_default="0"),
    Column("duty_until", Integer, nullable=False, server_default="1440"),
    Column("is_disabled", Boolean, nullable=False, server_default="0"),
    Column("totp_secret", String, nullable=False, server_default=""),
    Column("totp_step", BigInteger, nullable=False, server_default="0"),
    Column("oidc_subject", String, nullable=False, server_default=""),
    Column("totp_sealed", LargeBinary, nullable=True),
    Column("language", String, nullable=False, server_default=""),
)
"""`cameras`: JSON list of ids; empty text means all."""

LOGIN = Table(
    "login",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("csrf_token", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("proven_ns", BigInteger, nullable=False, server_default="0"),
    Column("method", String, nullable=False, server_default="password"),
)

PASSKEY = Table(
    "passkey",
    METADATA,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String, nullable=False),
    Column("rp_id", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)

API_TOKEN = Table(
    "api_token",
    METADATA,
    Column("token_id", String, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)

INVITATION = Table(
    "invitation",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("name", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("cameras", String, nullable=False),
    Column("duty_from", Integer, nullable=False),
    Column("duty_until", Integer, nullable=False),
    Column("invited_by", String, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)

PASSWORD_RESET = Table(
    "password_reset",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("forgets_code", Boolean, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("encoded", LargeBinary, nullable=False),
    Column("tip", LargeBinary, nullable=False),
)
"""See `ports.outbox`. Where the chain begins and ends is in `meta`, so that it outlives its last row."""
