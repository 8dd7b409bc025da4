"""A leak case on one page: a timeline by account with copies as arrows, and the tables. Plain HTML and SVG, no script.

What people typed elsewhere is hostile text: everything is escaped, links are shown, not made clickable.
"""

from collections.abc import Sequence
from html import escape

from custodes.leaks.finding import clock_time
from custodes.leaks.posts import Post, Spread

_ROW_PX, _LEFT_PX, _WIDTH_PX, _TOP_PX = 34, 210, 980, 40
_COLOURS = ("#1f6f8b", "#b8562d", "#5b7f2b", "#7a4b94", "#a8862a", "#8b1f3f")
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;max-width:76rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ddd;padding:.3rem .7rem;text-align:left}"
    "svg{border:1px solid #ddd}text{font:12px system-ui,sans-serif}"
)


def case_page(title: str, posts: Sequence[Post], found: Spread) -> str:
    """HTML of a case. Args: posts: those that `found` speaks of."""
    by_id = {post.post_id: post for post in posts}
    rows = [
        f"<tr><td>{number + 1}</td><td>{'first seen' if not one.parent_id else 'from ' + escape(one.parent_id)}</td>"
        f"<td>{one.generation}</td><td>{escape(one.post_id)}</td><td>{escape(by_id[one.post_id].account)}</td>"
        f"<td>{clock_time(by_id[one.post_id].utc_ns)}</td><td>{escape(by_id[one.post_id].language)}</td>"
        f"<td>{escape(by_id[one.post_id].place)}</td><td>{one.likeness:.2f}</td>"
        f"<td>{escape(by_id[one.post_id].url[:200])}</td></tr>"
        for number, group in enumerate(found.groups)
        for one in group
    ]
    together = "".join(
        f"<tr><td>{escape(one)}</td><td>{escape(other)}</td><td>{count}</td></tr>"
        for one, other, count in found.together
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p>{len(posts)} posts, {len(found.groups)} pictures, {len({post.account for post in posts})} accounts. "
        "An arrow leads from the post that a later one most probably was copied from, judged by content and time; it "
        "proves nothing about who knew whom.</p>"
        f"{_timeline(posts, found)}"
        "<table><tr><th>picture</th><th>origin</th><th>generation</th><th>post</th><th>account</th><th>time</th>"
        f"<th>language</th><th>claimed place</th><th>likeness</th><th>address</th></tr>{''.join(rows)}</table>"
        + (
            "<h2>Accounts that post together</h2><table><tr><th>account</th><th>account</th><th>pictures</th></tr>"
            f"{together}</table>"
            if together
            else "<p>No two accounts posted more than one picture within ten minutes of each other.</p>"
        )
        + (f"<p>Without a picture: {escape(', '.join(found.without_picture))}</p>" if found.without_picture else "")
        + "</body></html>\n"
    )


def _timeline(posts: Sequence[Post], found: Spread) -> str:
    """Accounts as rows in the order of their first post, time to the right, copies as arrows."""
    shown = {one.post_id for group in found.groups for one in group}
    ordered = sorted((post for post in posts if post.post_id in shown), key=lambda post: post.utc_ns)
    if not ordered:
        return ""
    accounts = list(dict.fromkeys(post.account for post in ordered))
    first, span = ordered[0].utc_ns, max(ordered[-1].utc_ns - ordered[0].utc_ns, 1)
    at = {
        post.post_id: (
            _LEFT_PX + 20 + (post.utc_ns - first) / span * (_WIDTH_PX - _LEFT_PX - 50),
            _TOP_PX + accounts.index(post.account) * _ROW_PX,
        )
        for post in ordered
    }
    height = _TOP_PX + len(accounts) * _ROW_PX + 20
    parts = [
        f'<svg viewBox="0 0 {_WIDTH_PX} {height}" width="{_WIDTH_PX}" height="{height}" role="img">'
        "<title>posts over time, a row per account</title>"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<text x="{_LEFT_PX + 20}" y="18">{clock_time(first)}</text>'
        f'<text x="{_WIDTH_PX - 30}" y="18" text-anchor="end">{clock_time(ordered[-1].utc_ns)}</text>',
    ]
    for row, account in enumerate(accounts):
        y = _TOP_PX + row * _ROW_PX
        parts.append(
            f'<text x="10" y="{y + 4}">{escape(account[:28])}</text>'
            f'<line x1="{_LEFT_PX}" x2="{_WIDTH_PX - 20}" y1="{y}" y2="{y}" stroke="#eee"/>'
        )
    for number, group in enumerate(found.groups):
        colour = _COLOURS[number % len(_COLOURS)]
        for one in group:
            x, y = at[one.post_id]
            if one.parent_id:
                from_x, from_y = at[one.parent_id]
                parts.append(
                    f'<path d="M{from_x:.0f} {from_y:.0f}C{(from_x + x) / 2:.0f} {from_y:.0f} {(from_x + x) / 2:.0f} '
                    f'{y:.0f} {x - 7:.0f} {y:.0f}" fill="none" stroke="#999" marker-end="url(#a)"/>'
                )
            parts.append(
                f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{7 if not one.parent_id else 5}" fill="{colour}">'
                f"<title>{escape(one.post_id)}, generation {one.generation}</title></circle>"
            )
    return "".join(parts) + "</svg>"
