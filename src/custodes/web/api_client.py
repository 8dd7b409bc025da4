"""Writes the Python client from the API's OpenAPI description (ADR 84); `make client` calls it.

What comes out is one file without dependencies, `custodes_client.py`: a class with a method for each operation that
reads, and the types of the answers. A token changes nothing, so the client has no method that would.
"""

import keyword
import re
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

_HEAD = '''"""Reads the API of a custodes site. Made from its description by `make client`: not written by hand.

One file without dependencies: take it along. An API token is made on one's own page of the site; it has some of one's
roles, reads, and changes nothing.

    site = Client("https://cameras.example", token)
    for camera in site.cameras()["cameras"]:
        print(camera["name"], camera["words"])
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from typing import Any, Literal, NotRequired, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

MAX_ANSWER_BYTES = 64 << 20
"""The largest lists of the API are some megabytes."""


class ApiError(Exception):
    """The site refused, in its words. `status` is HTTP's, `kind` a stable name (RFC 9457's `kind` of ours)."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        """With the answer's problem details."""
        super().__init__(f"{status} {kind}: {detail}")
        self.status, self.kind, self.detail = status, kind, detail

'''

_CLIENT = '''
class _StaysHere(HTTPRedirectHandler):
    """A redirection would carry the token elsewhere; the API has none."""

    def redirect_request(self, *_: Any) -> None:
        """None of it."""


class Client:
    """One site, read with one token."""

    def __init__(
        self, address: str, token: str, *, timeout_s: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Args:
        address: "https://cameras.example" or "http://127.0.0.1:8400", without a path.
        tls: for a certificate authority of one's own; the system's otherwise.

        Raises: ValueError when the address is none.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError(f"expected an address like https://cameras.example, got {address!r}")
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._token = token
        self._timeout_s = timeout_s
        self._opener = build_opener(_StaysHere(), HTTPSHandler(context=tls))

    def _read(self, path: str, query: Mapping[str, object]) -> Any:
        """The answer's JSON, or its text. Raises: ApiError, OSError (urllib's URLError is one)."""
        asked = {
            name: value if isinstance(value, (list, tuple)) else str(value)
            for name, value in query.items()
            if value is not None
        }
        address = f"{self._address}{path}" + (f"?{urlencode(asked, doseq=True)}" if asked else "")
        headers = {"authorization": f"Bearer {self._token}", "accept": "application/json, */*;q=0.5"}
        try:
            with self._opener.open(Request(address, headers=headers), timeout=self._timeout_s) as answer:  # noqa: S310
                return _content(answer)
        except HTTPError as error:
            raise _refusal(error) from error

'''

_TAIL = """

def _content(answer: HTTPResponse) -> Any:
    raw = answer.read(MAX_ANSWER_BYTES + 1)
    if len(raw) > MAX_ANSWER_BYTES:
        raise ApiError(answer.status, "too_large", f"the answer has more than {MAX_ANSWER_BYTES} bytes")
    is_json = "json" in answer.headers.get("content-type", "")
    return json.loads(raw) if is_json else raw.decode("utf-8", "replace")


def _refusal(error: HTTPError) -> ApiError:
    try:
        problem = json.loads(error.read(1 << 16))
        return ApiError(error.code, str(problem["kind"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(error.code, "http", str(error.reason))
"""


def client_source(description: Mapping[str, Any], named: Collection[str]) -> str:
    """The module's text.

    Args:
        description: OpenAPI 3.1 with a `$ref` or plain schema for each answer.
        named: the operations that get a method, by their `operationId`.
    """
    schemas = description.get("components", {}).get("schemas", {})
    methods, wanted = [], set[str]()
    for path, operations in sorted(description["paths"].items()):
        if "get" in operations and operations["get"]["operationId"] in named:
            methods.append(_method(path, operations["get"]))
            answers, asked = operations["get"]["responses"]["200"], operations["get"].get("parameters", [])
            wanted |= _references(answers) | _references(asked)
    while more := {one for name in wanted for one in _references(schemas[name])} - wanted:
        wanted |= more
    types = [_typed(name, schemas[name]) for name in _inner_first(sorted(wanted), schemas)]
    body = "\n".join(types) + "\n" + _CLIENT + "\n".join(methods) + _TAIL
    return (_HEAD if "NotRequired[" in body else _HEAD.replace("NotRequired, ", "")) + body


def _inner_first(names: list[str], schemas: Mapping[str, Any]) -> list[str]:
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered:
            for inner in sorted(_references(schemas[name]) - {name}):
                visit(inner)
            ordered.append(name)

    for name in names:
        visit(name)
    return ordered


def _references(tree: object) -> set[str]:
    if isinstance(tree, dict):
        own = {str(tree["$ref"]).rsplit("/", 1)[-1]} if isinstance(tree.get("$ref"), str) else set()
        return own.union(*map(_references, tree.values()))
    return set[str]().union(*map(_references, tree)) if isinstance(tree, list) else set()


def _typed(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return f"{name} = {_kind(schema)}\n"
    required = set(schema.get("required", ()))
    kinds = {
        field: _kind(inner) if field in required else f"NotRequired[{_kind(inner)}]"
        for field, inner in schema["properties"].items()
    }
    words = " ".join(str(schema.get("description", "")).split())
    if any(map(keyword.iskeyword, kinds)):
        fields = "".join(f"{field!r}: {kind}, " for field, kind in kinds.items())
        return f"# {words}\n{name} = TypedDict({name!r}, {{{fields}}})\n"
    fields = "".join(f"    {field}: {kind}\n" for field, kind in kinds.items())
    return f'class {name}(TypedDict):\n    """{words}"""\n\n{fields}\n'


def _kind(schema: Mapping[str, Any]) -> str:  # noqa: C901 - a table of JSON Schema's words
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"list[{' | '.join(dict.fromkeys(map(_kind, schema['prefixItems'])))}]"
        case "array":
            return f"list[{_kind(schema.get('items', {}))}]"
        case "object":
            inner = schema.get("additionalProperties")
            return f"dict[str, {_kind(inner) if isinstance(inner, dict) else 'Any'}]"
        case "integer":
            return "int"
        case "number":
            return "float"
        case "string":
            return "str"
        case "boolean":
            return "bool"
        case "null":
            return "None"
        case _:
            return "Any"


def _method(path: str, operation: Mapping[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    places = [one for one in parameters if one["in"] == "path"]
    needed = [one for one in parameters if one["in"] == "query" and one.get("required")]
    others = [one for one in parameters if one["in"] == "query" and not one.get("required")]
    signature = ["self", *(f"{_argument(one)}: {_taken(one)}" for one in places)]
    if needed or others:
        signature += ["*", *(f"{_argument(one)}: {_taken(one)}" for one in needed)]
        signature += [f"{_argument(one)}: {_taken(one)} | None = None" for one in others]
    answer = operation["responses"]["200"].get("content", {})
    kind = " | ".join(_kind(one["schema"]) if "json" in media else "str" for media, one in sorted(answer.items()))
    at = re.sub(r"\{(\w+)\}", lambda found: f"{{quote(str({found.group(1)}), safe='')}}", path)
    query = ", ".join(f"{one['name']!r}: {_argument(one)}" for one in (*needed, *others))
    words = str(operation.get("description", operation.get("summary", ""))).strip().split("\n\n")[0]
    words = "\n        ".join(textwrap.wrap(" ".join(words.split()), 100))
    literal = f'f"{at}"' if places else f'"{path}"'
    return (
        f"    def {operation['operationId']}({', '.join(signature)}) -> {kind or 'Any'}:\n"
        f'        """{words}"""\n'
        f"        return cast({kind or 'Any'!r}, self._read({literal}, {{{query}}}))\n"
    )


def _argument(parameter: Mapping[str, Any]) -> str:
    name = {"from": "start_ns", "to": "end_ns", "at": "at_ns"}.get(parameter["name"], parameter["name"])
    return f"{name}_" if keyword.iskeyword(name) else str(name)


def _taken(parameter: Mapping[str, Any]) -> str:
    kind = _kind({key: value for key, value in parameter["schema"].items() if key != "default"})
    kind = kind.removesuffix(" | None")
    return kind.replace("list[", "Sequence[")
