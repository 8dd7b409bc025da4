"""A leak case on one page that stands alone: how it spread, drawn and as tables. Plain HTML and SVG, no script.

What people typed elsewhere is hostile text: everything is escaped, links are shown, not made clickable.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from custodes.leaks.finding import clock_time
from custodes.leaks.spread_drawing import account_graph, timeline
from custodes.types.posts import Post, Spread

SPREAD_PROVES = (
    "An arrow leads from the post that a later one most probably was copied from, judged by content and time. There "
    "may be posts between them that nobody wrote down. It proves nothing about who knew whom, and accounts that post "
    "alike may only read the same. Times, accounts and places are as the posts claim them."
)

STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;max-width:76rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ddd;padding:.3rem .7rem;text-align:left;overflow-wrap:anywhere}"
    "svg.spread{width:61rem}svg{border:1px solid #ddd;max-width:100%}"
    "text{font:12px system-ui,sans-serif;paint-order:stroke;stroke:#fff;stroke-width:3px}"
    "img{max-height:5rem}"
    ".notice{border-left:4px solid #b8562d;padding:.2rem 1rem}.mono{font-family:monospace;overflow-wrap:anywhere}"
    ".row{stroke:#eee}.edge{fill:none;stroke:#888}.head{fill:#555}.pair{fill:none;stroke:#b8562d;stroke-dasharray:4 3}"
    ".w2{stroke-width:2}.w3{stroke-width:3}.w4{stroke-width:4}"
    ".g0{fill:#1f6f8b}.g1{fill:#b8562d}.g2{fill:#5b7f2b}.g3{fill:#7a4b94}.g4{fill:#a8862a}.g5{fill:#8b1f3f}"
)


def case_page(
    title: str,
    posts: Sequence[Post],
    found: Spread,
    thumbnails: Mapping[str, bytes] | None = None,
    *,
    unreadable: Sequence[tuple[str, str]] = (),
) -> str:
    """HTML of a case.

    Args: posts: those that `found` speaks of; thumbnails: JPEG by the picture's SHA-256; unreadable: (post id, why) of
    files that could not be compared.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"{spread_section(posts, found, thumbnails or {})}{_not_read(unreadable)}</body></html>\n"
    )


def spread_section(posts: Sequence[Post], found: Spread, thumbnails: Mapping[str, bytes]) -> str:
    """The part of a page that shows how it spread."""
    by_id = {post.post_id: post for post in posts}
    rows = [
        f"<tr><td>{number + 1}</td><td>{_shown(by_id[one.post_id], thumbnails)}</td>"
        f"<td>{'first seen' if not one.parent_id else 'from ' + escape(one.parent_id)}</td>"
        f"<td>{one.generation}</td><td>{escape(one.post_id)}</td><td>{escape(by_id[one.post_id].account)}</td>"
        f"<td>{clock_time(by_id[one.post_id].utc_ns)}</td><td>{escape(by_id[one.post_id].language)}</td>"
        f"<td>{escape(by_id[one.post_id].place)}</td><td>{one.likeness:.2f}</td>"
        f"<td>{escape(by_id[one.post_id].url[:200])}</td></tr>"
        for number, group in enumerate(found.groups)
        for one in group
    ]
    together = "".join(
        f"<tr><td>{escape(pair.one)}</td><td>{escape(pair.other)}</td><td>{pair.pictures}</td></tr>"
        for pair in found.together
    )
    return (
        f"<p>{len(posts)} posts, {len(found.groups)} pictures, {len({post.account for post in posts})} accounts.</p>"
        f'<p class="notice">{SPREAD_PROVES}</p>'
        f"<h2>Over time</h2>{timeline(posts, found)}<h2>Who copied from whom</h2>{account_graph(posts, found)}"
        "<h2>Posts</h2><table><tr><th>picture</th><th></th><th>origin</th><th>generation</th><th>post</th>"
        "<th>account</th><th>time</th><th>language</th><th>claimed place</th><th>likeness</th><th>address</th></tr>"
        f"{''.join(rows)}</table>"
        + (
            "<h2>Accounts that post together</h2><table><tr><th>account</th><th>account</th><th>pictures</th></tr>"
            f"{together}</table>"
            if together
            else "<p>No two accounts posted more than one picture within ten minutes of each other.</p>"
        )
        + (f"<p>Without a picture: {escape(', '.join(found.without_picture))}</p>" if found.without_picture else "")
    )


def _not_read(unreadable: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{escape(post_id)}</td><td>{escape(why)}</td></tr>" for post_id, why in unreadable)
    return f"<h2>Not compared</h2><table><tr><th>post</th><th>why</th></tr>{rows}</table>" if rows else ""


def _shown(post: Post, thumbnails: Mapping[str, bytes]) -> str:
    jpeg = thumbnails.get(post.sha256)
    return "" if jpeg is None else f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
