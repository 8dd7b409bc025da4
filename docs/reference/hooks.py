"""Pages of the manual that are made from the code: configuration, commands, API. Called by mkdocs (`hooks:`)."""

import ast
import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put what the code says in the place of its mark."""
    for mark, make in (("configuration", _configuration), ("commands", _commands), ("api", _api)):
        place = f"<!-- {mark} -->"
        if place in markdown:
            markdown = markdown.replace(place, make())
    return markdown


def _configuration() -> str:
    from custodes.config import SiteConfig

    return "\n".join(_section(SiteConfig, "", set()))


def _section(model: type[BaseModel], prefix: str, seen: set[type]) -> list[str]:
    """One table a part; parts within follow."""
    seen.add(model)
    words = _field_docs(model)
    lines = [f"\n## {prefix or 'Top level'}\n", f"{inspect.cleandoc(model.__doc__ or '')}\n"]
    lines += ["| key | is | without it | |", "|---|---|---|---|"]
    inner = []
    for name, field in model.model_fields.items():
        nested = [one for one in _models(field.annotation) if one not in seen]
        default = field.default
        shown = "required" if field.is_required() else "" if _is_part(default) else f"`{_plain(default)}`"
        cells = (f"`{name}`", _kind(field.annotation), shown, words.get(name, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        inner += [(one, f"{prefix}.{name}".lstrip(".")) for one in nested]
    for one, place in inner:
        lines += _section(one, place, seen)
    return lines


def _is_part(default: object) -> bool:
    return isinstance(default, BaseModel) or default is None or default is PydanticUndefined or default in ("", ())


def _plain(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields, which is where this code base says what a field is."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if not (inspect.isclass(parent) and issubclass(parent, BaseModel)) or parent is BaseModel:
            continue
        body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(parent))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[union-attr]
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in get_args(annotation) for model in _models(one)]


def _kind(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{one}`" if one != "" else "nothing" for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(one) for one in arguments if one is not type(None))
    if origin in (tuple, list, frozenset):
        return "list" if arguments[-1:] == (Ellipsis,) or origin is not tuple else "pair"
    if _models(annotation):
        return "see below"
    return {bool: "true, false", int: "number", float: "number", str: "text", Path: "path"}.get(annotation, "text")


def _commands() -> str:
    from custodes.cli.main import custodes

    lines = _command(custodes, click.Context(custodes, info_name="custodes"), 1)
    return "\n".join(lines[2:])  # without its own heading


def _command(command: click.Command, context: click.Context, level: int) -> list[str]:
    lines = [f"\n{'#' * min(level, 4)} {context.command_path}\n", f"{inspect.cleandoc(command.help or '')}\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                lines += _command(found, click.Context(found, info_name=name, parent=context), level + 1)
        return lines
    usage = " ".join(command.collect_usage_pieces(context))
    lines.append(f"    {context.command_path} {usage}\n")
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        lines += ["| option | |", "|---|---|"]
        lines += [f"| `{', '.join(one.opts)}` | {(one.help or '').replace('|', chr(92) + '|')} |" for one in options]
    return lines


def _api() -> str:
    from custodes.config import SiteConfig
    from custodes.runtime.clock import SystemClock
    from custodes.web.app import create_app

    nobody: Any = None  # routes are described, not asked
    doors = dict.fromkeys(("catalog", "views", "live", "warden", "holds", "exports", "erasures", "announce"), nobody)
    schema = create_app(config=SiteConfig(), clock=SystemClock(), **doors).openapi()
    lines = []
    for path, methods in sorted(schema["paths"].items()):
        for method, operation in sorted(methods.items()):
            if not path.startswith("/api/"):
                continue
            lines += [f"\n## {method.upper()} {path}\n", f"{operation.get('description', '')}\n"]
            parameters = operation.get("parameters", [])
            if parameters:
                lines += ["| parameter | in | |", "|---|---|---|"]
                lines += [f"| `{one['name']}` | {one['in']} | {one.get('description', '')} |" for one in parameters]
    return "\n".join(lines)
