"""How a picture spread, drawn: posts over time by account, and accounts by who copied from whom. SVG, no script.

Colours are classes (`g0` to `g5`, `edge`, `pair`, `row`), set by who shows it: a page of the console, or one that
stands alone. What people typed elsewhere is hostile text: everything is escaped.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape

from custodes.leaks.finding import clock_time
from custodes.types.posts import Post, Spread

MAX_ACCOUNTS = 60
"""Rows and nodes that are drawn, those that posted first; the tables have all."""

_ROW_PX, _LEFT_PX, _WIDTH_PX, _TOP_PX = 34, 210, 980, 40
_COLUMN_PX, _NODE_PX = 230, 48
_ARROW = (
    '<defs><marker id="{id}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" class="head"/></marker></defs>'
)


def timeline(posts: Sequence[Post], found: Spread) -> str:
    """Accounts as rows in the order of their first post, time to the right, copies as arrows; empty without posts."""
    by_id = {post.post_id: post for post in posts}
    ordered = _ordered(by_id, found)
    if not ordered:
        return ""
    accounts = list(dict.fromkeys(post.account for post in ordered))[:MAX_ACCOUNTS]
    row_of = {account: row for row, account in enumerate(accounts)}
    first, span = ordered[0].utc_ns, max(ordered[-1].utc_ns - ordered[0].utc_ns, 1)
    at = {
        post.post_id: (
            _LEFT_PX + 20 + (post.utc_ns - first) / span * (_WIDTH_PX - _LEFT_PX - 50),
            _TOP_PX + row_of[post.account] * _ROW_PX,
        )
        for post in ordered
        if post.account in row_of
    }
    height = _TOP_PX + len(accounts) * _ROW_PX + 20
    parts = [
        f'<svg class="spread" viewBox="0 0 {_WIDTH_PX} {height}" role="img">'
        "<title>posts over time, a row per account</title>" + _ARROW.format(id="copied"),
        f'<text x="{_LEFT_PX + 20}" y="18">{clock_time(first)}</text>'
        f'<text x="{_WIDTH_PX - 30}" y="18" text-anchor="end">{clock_time(ordered[-1].utc_ns)}</text>',
    ]
    for account, row in row_of.items():
        y = _TOP_PX + row * _ROW_PX
        parts.append(
            f'<text x="10" y="{y + 4}">{escape(account[:28])}</text>'
            f'<line x1="{_LEFT_PX}" x2="{_WIDTH_PX - 20}" y1="{y}" y2="{y}" class="row"/>'
        )
    for number, group in enumerate(found.groups):
        for one in group:
            if one.post_id not in at:
                continue
            x, y_at = at[one.post_id]
            if one.parent_id in at:
                from_x, from_y = at[one.parent_id]
                middle = (from_x + x) / 2
                parts.append(
                    f'<path d="M{from_x:.0f} {from_y:.0f}C{middle:.0f} {from_y:.0f} {middle:.0f} {y_at:.0f} '
                    f'{x - 7:.0f} {y_at:.0f}" class="edge" marker-end="url(#copied)"/>'
                )
            parts.append(
                f'<circle cx="{x:.0f}" cy="{y_at:.0f}" r="{7 if not one.parent_id else 5}" class="g{number % 6}">'
                f"<title>{escape(one.post_id)}, {escape(by_id[one.post_id].account)}, "
                f"{clock_time(by_id[one.post_id].utc_ns)}, generation {one.generation}</title></circle>"
            )
    return "".join(parts) + "</svg>"


def account_graph(posts: Sequence[Post], found: Spread) -> str:
    """Accounts by the earliest generation that they posted, arrows from who was copied to who copied, the thicker
    the more; dashed between accounts that post together. Empty without posts."""
    by_id = {post.post_id: post for post in posts}
    ordered = _ordered(by_id, found)
    if not ordered:
        return ""
    level: dict[str, int] = {}
    copies: Counter[tuple[str, str]] = Counter()
    for one in (each for group in found.groups for each in group):
        account = by_id[one.post_id].account
        level[account] = min(level.get(account, one.generation), one.generation)
        if one.parent_id and by_id[one.parent_id].account != account:
            copies[by_id[one.parent_id].account, account] += 1
    shown = list(dict.fromkeys(post.account for post in ordered))[:MAX_ACCOUNTS]
    levels = sorted({level[account] for account in shown})
    columns = {number: [one for one in shown if level[one] == number] for number in levels}
    at = {
        account: (20 + levels.index(number) * _COLUMN_PX, _TOP_PX + 16 + row * _NODE_PX)
        for number, members in columns.items()
        for row, account in enumerate(members)
    }
    width = 20 + len(columns) * _COLUMN_PX
    height = _TOP_PX + max(len(members) for members in columns.values()) * _NODE_PX + 16
    parts = [
        f'<svg class="spread" viewBox="0 0 {width} {height}" role="img">'
        "<title>accounts, by the earliest generation that they posted</title>" + _ARROW.format(id="from"),
        *(
            f'<text x="{20 + n * _COLUMN_PX}" y="18">{"first seen" if not number else f"generation {number}"}</text>'
            for n, number in enumerate(levels)
        ),
    ]
    parts += [
        _edge(at[source], at[target], f'class="edge w{min(count, 4)}" marker-end="url(#from)"', f"{count} copied")
        for (source, target), count in sorted(copies.items())
        if source in at and target in at
    ]
    parts += [
        _edge(at[pair.one], at[pair.other], 'class="pair"', f"{pair.pictures} pictures within ten minutes")
        for pair in found.together
        if pair.one in at and pair.other in at
    ]
    counts = Counter(post.account for post in ordered)
    for account, (x, y) in at.items():
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="6" class="g0"><title>{counts[account]} posts</title></circle>'
            f'<text x="{x + 6}" y="{y - 9}">{escape(account[:26])}</text>'
        )
    return "".join(parts) + "</svg>"


def _ordered(by_id: dict[str, Post], found: Spread) -> list[Post]:
    """Posts with a picture, by time."""
    return sorted((by_id[one.post_id] for group in found.groups for one in group), key=lambda post: post.utc_ns)


def _edge(source: tuple[int, int], target: tuple[int, int], looks: str, words: str) -> str:
    """Between two nodes; bowed to the left where they stand in one column, so that it does not run through others."""
    (x, y), (to_x, to_y) = source, target
    if x == to_x:
        bow, end = x - 18, f"{to_x - 7} {to_y}"
        way = f"M{x - 7} {y}C{bow} {y} {bow} {to_y} {end}"
    else:
        middle, side = (x + to_x) / 2, 8 if to_x > x else -8
        way = f"M{x} {y}C{middle:.0f} {y} {middle:.0f} {to_y} {to_x - side} {to_y}"
    return f'<path d="{way}" {looks}><title>{words}</title></path>'
