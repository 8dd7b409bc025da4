"""Posts of leaked pictures, case by case: kept, compared by a job, handed over. Pictures are never decoded here.

`leaks/posts/<case>/` (0700) holds `posts.json`, `spread.json`, `pictures/<sha256>` as they were found and
`thumbnails/<sha256>` as a job made them anew. What is posted is public already; who collected what is not. A case's
posts are known to those who work on it, and go a year after they last changed, or when somebody throws them away.
"""

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from custodes.access.cases import is_member, number_key
from custodes.app.serving.post_exhibit import PostExhibit
from custodes.config.durable import make_folder, replace_file
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from custodes.leaks.found_file import media_type_of
from custodes.ports.clock import Clock
from custodes.ports.posts import CasePosts, NewPost
from custodes.ports.warden import Warden
from custodes.types.access import Principal
from custodes.types.cases import Case, CaseFile, NoteOnCase, ReadCase
from custodes.types.posts import Post, PostsSpread, SpreadTask
from custodes.units import NS_PER_S, CameraId, Ns

MAX_POSTS = 500
"""Of a case, as many as are compared (`leaks.posts`)."""
MAX_PICTURE_BYTES = 16 * 1024 * 1024
MAX_CASE_BYTES = 1024 * 1024 * 1024
MAX_CASES = 200
KEEP_NS = 365 * 24 * 3600 * NS_PER_S
JOB_NS = 900 * NS_PER_S

Compare = Callable[[SpreadTask], Awaitable[PostsSpread]]


class _Compared(msgspec.Struct, frozen=True, kw_only=True):
    """`spread.json`."""

    posts_sha256: str
    found: PostsSpread
    compared: tuple[str, ...]


class CasePostBook:
    """`ports.posts.PostBook`. Used on the event loop only; one case is compared at a time."""

    def __init__(
        self, data_dir: Path, *, warden: Warden, clock: Clock, compare: Compare, exhibit: PostExhibit
    ) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / "leaks" / "posts"
        self._warden = warden
        self._clock = clock
        self._compare = compare
        self._exhibit = exhibit
        self._running: dict[str, asyncio.Task[None]] = {}
        self._errors: dict[str, str] = {}
        self._writing = asyncio.Lock()
        self._comparing = asyncio.Lock()

    async def read(self, who: Principal, number: str) -> CasePosts:
        """See the port."""
        case = await self._case(who, number)
        return await asyncio.to_thread(self._read, case.number)

    async def add(self, who: Principal, number: str, entries: Sequence[NewPost]) -> None:
        """See the port."""
        case = await self._open_case(who, number)
        if not entries:
            raise InvalidArgument("There is no post in it.")
        async with self._writing:
            before = await asyncio.to_thread(self._read, case.number)
            fresh = [await asyncio.to_thread(self._checked, one, who) for one in entries]
            self._require_room(before, fresh, entries)
            await asyncio.to_thread(self._put, case.number, (*before.posts, *fresh), entries)
        digest = hashlib.sha256(_encoded(fresh)).hexdigest()
        what = f"Post {fresh[0].post_id} of {fresh[0].account}" if len(fresh) == 1 else f"{len(fresh)} posts"
        await self._note(who, case.number, f"{what} written down, SHA-256 {digest}")
        self._begin(case.number)

    async def compare(self, who: Principal, number: str) -> None:
        """See the port."""
        case = await self._case(who, number)
        if not (await asyncio.to_thread(self._read, case.number)).posts:
            raise FailedPrecondition("No post was written down yet.")
        self._begin(case.number)

    async def remove(self, who: Principal, number: str, post_id: str) -> None:
        """See the port."""
        case = await self._open_case(who, number)
        async with self._writing:
            before = await asyncio.to_thread(self._read, case.number)
            left = tuple(one for one in before.posts if post_id and one.post_id != post_id)
            if len(left) == len(before.posts):
                raise NotFound("There is no such post.")
            await asyncio.to_thread(self._put, case.number, left, ())
        await self._note(who, case.number, f"{len(before.posts) - len(left)} posts thrown away")
        if left:
            self._begin(case.number)

    async def picture(self, who: Principal, number: str, post_id: str, *, is_screenshot: bool) -> tuple[Path, str]:
        """See the port."""
        post = await self._post(who, number, post_id)
        sha256 = post.screenshot_sha256 if is_screenshot else post.sha256
        if not sha256:
            raise NotFound("No such picture was given.")
        path = self._at(number) / "pictures" / sha256
        head = await asyncio.to_thread(_first_bytes, path)
        return path, media_type_of(head)

    async def thumbnail(self, who: Principal, number: str, post_id: str) -> bytes:
        """See the port."""
        post = await self._post(who, number, post_id)
        try:
            return await asyncio.to_thread((self._at(number) / "thumbnails" / (post.sha256 or "none")).read_bytes)
        except FileNotFoundError as error:
            raise NotFound("It was not compared yet.") from error

    async def bundle(self, who: Principal, number: str, traces: Sequence[tuple[str, Path]]) -> bytes:
        """See the port."""
        case = await self._case(who, number)
        found = await asyncio.to_thread(self._read, case.number)
        if found.spread is None or found.is_comparing or set(found.compared) != {one.post_id for one in found.posts}:
            raise FailedPrecondition("The posts have to be compared first.")
        return await self._exhibit.make(who, case, found, folder=self._at(case.number), traces=traces)

    async def stop(self) -> None:
        """End what runs; it is begun anew when somebody asks."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    # -- who may -------------------------------------------------------------------------------------------------

    async def _case(self, who: Principal, number: str) -> Case:
        found = await self._warden.about_cases(ReadCase(principal=who, number=number[:64]))
        assert isinstance(found, CaseFile)
        if not is_member(found.case, who.user_id):
            raise NotFound("There is no such case, or you do not work on it.")
        return found.case

    async def _open_case(self, who: Principal, number: str) -> Case:
        case = await self._case(who, number)
        if case.closed_ns is not None:
            raise FailedPrecondition("The case is closed.")
        return case

    async def _post(self, who: Principal, number: str, post_id: str) -> Post:
        found = await self.read(who, number)
        post = next((one for one in found.posts if one.post_id == post_id), None)
        if post is None:
            raise NotFound("There is no such post.")
        return post

    async def _note(self, who: Principal, number: str, text: str) -> None:
        """In the case's file, and so in the log."""
        note = NoteOnCase(principal=who, number=number, text=text, camera_id=CameraId(""), moment_ns=Ns(0))
        await self._warden.about_cases(note)

    # -- comparing -----------------------------------------------------------------------------------------------

    def _begin(self, number: str) -> None:
        key = number_key(number)
        if key not in self._running:
            work = self._until_compared(number)
            self._running[key] = asyncio.get_running_loop().create_task(work, name=f"posts-{key}")

    async def _until_compared(self, number: str) -> None:
        """Until no post came meanwhile."""
        key = number_key(number)
        try:
            self._errors.pop(key, None)
            async with self._comparing:
                while (posts := (await asyncio.to_thread(self._read, number)).posts) and not self._is_known(number):
                    await self._compare_once(number, posts)
        except CustodesError as error:
            self._errors[key] = str(error)
            structlog.get_logger().warning("posts were not compared", case=number, error=str(error))
        finally:
            del self._running[key]

    async def _compare_once(self, number: str, posts: tuple[Post, ...]) -> None:
        folder = self._at(number)
        task = SpreadTask(
            folder=str(folder.relative_to(self._data_dir)),
            posts=posts,
            deadline_ns=Ns(self._clock.now_ns() + JOB_NS),
        )
        found = await self._compare(task)
        if found.error:
            raise FailedPrecondition(found.error)
        for one in found.thumbnails:
            if re.fullmatch(r"[0-9a-f]{64}", one.sha256):
                await asyncio.to_thread(replace_file, folder / "thumbnails" / one.sha256, one.jpeg)
        kept = _Compared(
            posts_sha256=hashlib.sha256(_encoded(posts)).hexdigest(),
            found=replace(found, thumbnails=()),
            compared=tuple(one.post_id for one in posts),
        )
        await asyncio.to_thread(replace_file, folder / "spread.json", msgspec.json.encode(kept))

    def _is_known(self, number: str) -> bool:
        compared = self._compared(number)
        digest = hashlib.sha256(_encoded(self._posts(number))).hexdigest()
        return compared is not None and compared.posts_sha256 == digest

    # -- on the disk ---------------------------------------------------------------------------------------------

    def _at(self, number: str) -> Path:
        key = number_key(number)
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,39}", key), key
        return self._folder / key

    def _read(self, number: str) -> CasePosts:
        posts, compared, key = self._posts(number), self._compared(number), number_key(number)
        return CasePosts(
            number=number,
            posts=posts,
            spread=None if compared is None else compared.found.spread,
            compared=() if compared is None else compared.compared,
            unreadable=() if compared is None else compared.found.unreadable,
            is_comparing=key in self._running,
            error=self._errors.get(key, ""),
        )

    def _posts(self, number: str) -> tuple[Post, ...]:
        path = self._at(number) / "posts.json"
        try:
            if self._clock.now_ns() - path.stat().st_mtime_ns > KEEP_NS:
                shutil.rmtree(path.parent, ignore_errors=True)
                return ()
            return msgspec.json.decode(path.read_bytes(), type=tuple[Post, ...])
        except FileNotFoundError:
            return ()
        except msgspec.MsgspecError as error:
            raise FailedPrecondition(f"{path} is damaged: {error}; restore or delete it") from error

    def _compared(self, number: str) -> _Compared | None:
        try:
            return msgspec.json.decode((self._at(number) / "spread.json").read_bytes(), type=_Compared)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def _checked(self, new: NewPost, who: Principal) -> Post:
        for picture in (new.picture, new.screenshot):
            if len(picture) > MAX_PICTURE_BYTES:
                raise InvalidArgument(
                    f"post {new.post.post_id}: a picture is larger than {MAX_PICTURE_BYTES >> 20} MB"
                )
            if picture:
                _check_kind(picture, new.post.post_id)
        return replace(
            new.post,
            sha256=hashlib.sha256(new.picture).hexdigest() if new.picture else "",
            screenshot_sha256=hashlib.sha256(new.screenshot).hexdigest() if new.screenshot else "",
            added_by=who.name,
            added_ns=self._clock.now_ns(),
        )

    def _require_room(self, before: CasePosts, fresh: Sequence[Post], entries: Sequence[NewPost]) -> None:
        ids = [one.post_id for one in (*before.posts, *fresh)]
        twice = next((one for at, one in enumerate(ids) if one in ids[:at]), None)
        if twice is not None:
            raise InvalidArgument(f"There is a post {twice} already; give this one another id.")
        if len(ids) > MAX_POSTS:
            raise ResourceExhausted(f"These would be {len(ids)} posts; at most {MAX_POSTS} belong to a case.")
        kept = sum(path.stat().st_size for path in self._at(before.number).glob("pictures/*"))
        if kept + sum(len(one.picture) + len(one.screenshot) for one in entries) > MAX_CASE_BYTES:
            raise ResourceExhausted(f"The pictures of a case take at most {MAX_CASE_BYTES >> 20} MB.")
        if not before.posts and sum(1 for _ in self._folder.glob("*")) >= MAX_CASES:
            raise ResourceExhausted(f"{MAX_CASES} cases have posts; throw those of an old one away first.")

    def _put(self, number: str, posts: Sequence[Post], entries: Sequence[NewPost]) -> None:
        """Pictures first: what the list names is there."""
        folder = self._at(number)
        if not posts:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for each in (folder, folder / "pictures", folder / "thumbnails"):
            make_folder(each, mode=0o700)
        for picture in (each for one in entries for each in (one.picture, one.screenshot) if each):
            replace_file(folder / "pictures" / hashlib.sha256(picture).hexdigest(), picture)
        replace_file(folder / "posts.json", _encoded(posts))
        named = {name for one in posts for name in (one.sha256, one.screenshot_sha256)}
        for path in (*folder.glob("pictures/*"), *folder.glob("thumbnails/*")):
            if path.name not in named:
                path.unlink()


def _check_kind(picture: bytes, post_id: str) -> None:
    try:
        media_type_of(picture)
    except InvalidArgument as error:
        raise InvalidArgument(f"post {post_id}: {error}") from error


def _encoded(posts: Sequence[Post]) -> bytes:
    return json.dumps(msgspec.to_builtins(tuple(posts)), ensure_ascii=False).encode()


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except FileNotFoundError as error:
        raise NotFound("The picture is gone from the disk.") from error
