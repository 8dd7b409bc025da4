"""Limits of a tracker: one default for every camera and rate."""

from dataclasses import dataclass, field

from custodes.track.association import Fit, Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Scores are the detector's; times in seconds of the camera's clock."""

    strong_score: float = 0.58
    """At or above: associated first."""
    weak_score: float = 0.1
    """Below: ignored."""
    weak_overlap: float = 0.6
    """A weak detection continues a track only with this much intersection over union."""
    alone_overlap: float = 0.25
    """The same of one that no strong detection is beside: a runner is blurred, and further on than was predicted.
    None is asked for where neither the track nor the detection has another possible partner."""
    begin_score: float = 0.65
    """Begins a track."""
    lone_score: float = 0.25
    """A person or face that fits no track is still reported (id `NO_TRACK`) from here on, because it is masked."""
    confirm_hits: int = 2
    confirm_score: float = 1.4
    """Sum of the scores of its detections from which on a track is believed, after `confirm_hits` at least."""
    vehicle_score: float = 0.5
    """In place of `strong_score` and `begin_score` for vehicles: small detectors are far less sure of them, above all
    seen from above, and they hide each other less than people do."""
    vehicle_confirm_score: float = 1.0
    lost_s: float = 2.2
    """A confirmed track that was not measured for longer is over; by weak detections alone it is measured for as long
    as this, since a thing that looks a little like a person would else hold on to whoever passed it."""
    lost_known_s: float = 10.0
    """The same where its appearance is known: a look can tell it from whoever else comes along."""
    tentative_lost_s: float = 0.38
    vehicle_tentative_lost_s: float = 0.7
    """The same for a vehicle: seen from above it is found in every second look."""
    coast_s: float = 1.0
    """Predictions of an unmeasured track are reported for this long."""
    hidden_share: float = 0.65
    """An unmeasured track is hidden, not gone, while another object in front covers this share of its box."""
    memory_s: float = 0.2
    """A detector errs the same way on similar pictures for about this long, so that a measurement right after another
    tells little: thirty a second must not make the filter surer than five."""
    fit: Fit = field(default_factory=Fit)
    likeness: Likeness = field(default_factory=Likeness)
    look_size: int = 0
    """Dimension of appearance vectors; 0: none are given."""
    max_step_s: float = 5.0
    """A longer pause ends all tracks: nothing that far back is known to be the same."""
    max_tracks: int = 512
    """Bound against a detector that sees things everywhere; the weakest new ones are not begun."""
