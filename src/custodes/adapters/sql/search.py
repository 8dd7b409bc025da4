"""Finished tracks that fit a question, newest first. What an index tells is asked of the database, the rest of rows.

Each camera is read for itself, along the index over its time, and no further than `MAX_LOOKED_AT` rows: an answer
says how far back it reaches, and the next one goes on from there.
"""

from sqlalchemy import Connection, Select, exists, select

from custodes.adapters.sql.analysis import tracklet_of
from custodes.adapters.sql.tables import CROSSING, TRACKLET
from custodes.geometry.heading import foot, heading, is_in
from custodes.types.access import CameraScope
from custodes.types.search import TrackQuestion, TracksFound, Way
from custodes.types.vision import Tracklet
from custodes.units import CameraId, Ns

MAX_LOOKED_AT = 2000
"""Of each camera: a busy day of one, some 20 ms."""


def find_tracks(connection: Connection, scope: CameraScope, question: TrackQuestion, limit: int) -> TracksFound:
    """See `Catalog.find_tracks`."""
    assert not scope.is_all, "the cameras of a search are named"
    found: list[Tracklet] = []
    searched_to = question.start_ns
    for camera_id in sorted(scope.camera_ids):
        rows = connection.execute(_statement(camera_id, question)).fetchall()
        tracks = [tracklet_of(row) for row in rows]
        if len(rows) == MAX_LOOKED_AT:
            searched_to = max(searched_to, Ns(tracks[-1].start_ns + 1))
        found += [track for track in tracks if _fits(track, question)]
    found.sort(key=lambda track: (-track.start_ns, track.camera_id, track.run, track.track_id))
    found = [track for track in found if track.start_ns >= searched_to]
    if len(found) > limit:
        # tracks of one moment stay together, so that the next answer neither repeats nor skips any
        last_ns = found[limit - 1].start_ns
        found = [track for track in found if track.start_ns >= last_ns]
        searched_to = last_ns
    return TracksFound(tracks=tuple(found), searched_to_ns=searched_to)


def _statement(camera_id: CameraId, question: TrackQuestion) -> Select[tuple[object, ...]]:
    statement = (
        select(TRACKLET)
        .where(TRACKLET.c.camera_id == camera_id)
        .where(TRACKLET.c.start_ns >= question.start_ns, TRACKLET.c.start_ns < question.end_ns)
        .where(TRACKLET.c.object_class.in_(sorted(int(one) for one in question.classes)))
        .order_by(TRACKLET.c.start_ns.desc())
        .limit(MAX_LOOKED_AT)
    )
    if not question.line:
        return statement
    return statement.where(
        exists().where(
            CROSSING.c.camera_id == TRACKLET.c.camera_id,
            CROSSING.c.run == TRACKLET.c.run,
            CROSSING.c.line == question.line,
            CROSSING.c.track_id == TRACKLET.c.track_id,
            CROSSING.c.start_ns.between(TRACKLET.c.start_ns, TRACKLET.c.end_ns),
            CROSSING.c.is_forward.in_([way is Way.FORWARD for way in sorted(question.ways)]),
        )
    )


def _fits(track: Tracklet, question: TrackQuestion) -> bool:
    if question.headings and heading(track.first_box_norm, track.last_box_norm) not in question.headings:
        return False
    return any(is_in(foot(box), question.zone) for box in (track.first_box_norm, track.last_box_norm))
