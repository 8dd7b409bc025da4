"""Names of cameras for pages: what people call a camera first, its id second. Ids alone tell an operator nothing."""

from collections.abc import Callable, Mapping
from functools import cached_property

from markupsafe import Markup

from custodes.units import CameraId


class CameraNames:
    """Of the cameras of which this visitor may know; read when the first one is asked for. Any other is its id."""

    def __init__(self, read: Callable[[], Mapping[CameraId, str]]) -> None:
        self._read = read

    @cached_property
    def _names(self) -> Mapping[CameraId, str]:
        return self._read()

    def name(self, camera_id: str) -> str:
        """Its name, for a sentence."""
        return self._names.get(CameraId(camera_id), "") or camera_id

    def both(self, camera_id: str) -> Markup:
        """Its name and, where that is another word, its id beside it."""
        name = self.name(camera_id)
        if name == camera_id:
            return Markup("{}").format(name)
        return Markup('{} <span class="muted mono">{}</span>').format(name, camera_id)
