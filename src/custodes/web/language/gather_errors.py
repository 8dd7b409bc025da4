"""What errors say, as messages: read off the lines that raise them, so that nothing is written twice.

`raise NotFound(f"There is no camera {camera_id[:64]!r} on this site.")` is the message "There is no camera {camera_id}
on this site.". Errors come from several processes, and what crosses between them is their text alone: so the text is
what a page recognises again (`reported`). Reads sources, writes nothing.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from custodes import errors
from custodes.errors import CustodesError, DataLoss, ErrorKind, ProtocolError
from custodes.web.language.reported import FROM_NO_LINE, WORD, is_telling

_FROM = (
    "access/*.py",
    "adapters/clamd.py",
    "adapters/camera/*.py",
    "adapters/notify/*.py",
    "web/**/*.py",
    "app/centre.py",
    "app/centre_page.py",
    "app/centre_people.py",
    "app/enroller.py",
    "app/job_trace_expired.py",
    "app/recorder_camera.py",
    "app/recorder_devices.py",
    "app/serving/*.py",
    "app/warden_*.py",
    "detect/tampering.py",
    "face/holder.py",
    "federation/sites.py",
    "fleet/audit.py",
    "fleet/health.py",
    "geometry/*.py",
    "leaks/found_file.py",
    "leaks/place.py",
    "leaks/post*.py",
    "media/demux.py",
    "media/found_clip.py",
    "media/still.py",
    "pipeline/tampering.py",
    "pipeline/trust.py",
    "record/recording.py",
    "review/*.py",
)
"""Where what a person meets in the console is raised; what is not among it is said in English."""
_NOT_FROM = frozenset(
    {
        # between processes, or for whoever runs the machine: read in the log and at the terminal
        "access/grants.py",
        "adapters/camera/discovery.py",
        "adapters/camera/onvif_device.py",
        "adapters/camera/soap_device.py",
        "access/release.py",
        "app/serving/catalog.py",
        "app/serving/facts.py",
        "app/serving/federation.py",
        "app/serving/garbage.py",
        "app/serving/jobs.py",
        "app/serving/leading.py",
        "app/serving/page.py",
        "app/serving/recorders.py",
        "app/serving/retention.py",
        "app/serving/rule_senders.py",
        "app/serving/siem.py",
        "app/serving/signers.py",
        "app/serving/tiers.py",
        "app/serving/witnesses.py",
        "app/warden_gate.py",
        "app/warden_log.py",
        "app/warden_marks.py",
        "app/warden_reign.py",
        "app/warden_replication.py",
        "web/api_client.py",
        "web/language/speech.py",
    }
)
_POLICIES = "access/policies/*.cedar"
_REASON = re.compile(r'@reason\("([^"\\]+)"\)')
_RETURNS = frozenset(
    {
        "_hindrance",
        "_judge",
        "_losses",
        "_problems",
        "_quiet_words",
        "_shift_words",
        "_silent_words",
        "_still_words",
        "_why_not",
        "problem_in_words",
        "says",
        "trouble",
    }
)
"""Functions whose texts become an error, or stand on a page as one would."""
_TABLES = frozenset({"SIGNATURE_SENTENCES", "_PATTERNS"})
_NOTES = frozenset({"note"})
"""Functions that make a sentence for a viewer; its text is their second argument."""
_SAID_AS = frozenset({"detail", "device_events", "message", "refusal", "sentence"})
"""Names of arguments that a page shows."""
_KEPT_AS = _SAID_AS | {"complaint", "why"}
"""Names of values that a page shows."""

_SHOWN = frozenset(
    name
    for name, found in vars(errors).items()
    if isinstance(found, type)
    and issubclass(found, CustodesError)
    # of the first a page says only that something went wrong; the last is between processes
    and found.kind not in (ErrorKind.INTERNAL, ErrorKind.DATA_LOSS)
    and not issubclass(found, DataLoss | ProtocolError)
)


def gather_errors(source: Path) -> dict[str, set[str]]:
    """Messages with the names of the files that raise them. `source`: the folder of the package `custodes`."""
    found: dict[str, set[str]] = defaultdict(set)
    names = {str(path.relative_to(source)) for pattern in _FROM for path in source.glob(pattern)}
    for name in sorted(names - _NOT_FROM):
        for message in errors_of_module((source / name).read_text("utf-8")):
            found[message].add(name)
    for policy in source.glob(_POLICIES):
        for reason in _REASON.findall(policy.read_text("utf-8")):
            found[reason].add(str(policy.relative_to(source)))
    for message in FROM_NO_LINE:
        found[message].add("web/language/reported.py")
    return found


def errors_of_module(source: str) -> list[str]:
    """What its errors say, in order, once each."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return list(dict.fromkeys(text for text in _said_in(tree, constants) if is_telling(text)))


def _said_in(tree: ast.Module, constants: dict[str, ast.expr]) -> Iterator[str]:
    for name in _TABLES & constants.keys():
        table = constants[name]
        yield from (
            (text for value in table.values for text in _texts(value, {})) if isinstance(table, ast.Dict) else ()
        )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SHOWN and node.args:
            yield from _texts(node.args[0], constants)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in _NOTES and len(node.args) > 1:
                yield from _texts(node.args[1], constants)
            for word in node.keywords:
                if word.arg in _SAID_AS:
                    yield from _texts(word.value, constants)
        elif isinstance(node, ast.Assign) and any(_name_of(target) in _KEPT_AS for target in node.targets):
            yield from _texts(node.value, constants)
        elif isinstance(node, ast.FunctionDef) and node.name in _RETURNS:
            yield from _given_by(node, constants)


def _given_by(function: ast.FunctionDef, constants: dict[str, ast.expr]) -> Iterator[str]:
    """What it returns, and what it puts into a list."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _texts(node.value, constants)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            yield from _texts(node.args[0], constants)


def _name_of(target: ast.expr) -> str:
    """Of what is assigned to: `detail` for `detail = …` and for `export.detail = …`."""
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield _with_places(values, constants)
        case ast.Name(id=name) if name in constants:
            yield from _texts(constants[name], {})
        case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            for value in values:
                yield from _texts(value, constants)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body, constants)
            yield from _texts(orelse, constants)


def _with_places(values: list[ast.expr], constants: dict[str, ast.expr]) -> str:
    parts: list[str] = []
    known: dict[str, str] = {}
    for value in values:
        if isinstance(value, ast.FormattedValue):
            named = constants.get(value.value.id) if isinstance(value.value, ast.Name) else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                parts.append(named.value)  # a text that several messages end with is part of each
                continue
            name = base = _place(value.value)
            number = 1
            while known.setdefault(name, ast.unparse(value)) != ast.unparse(value):
                number += 1
                name = f"{base}{number}"
            parts.append(f"{{{name}}}")
        elif isinstance(value, ast.Constant):
            parts.append(str(value.value))
    return "".join(parts)


def _place(value: ast.expr) -> str:
    """What the translator reads in the place: the name of the value, or `word` for one of a fixed set, which is
    translated itself."""
    if any(isinstance(node, ast.Attribute) and node.attr == "value" for node in ast.walk(value)):
        return WORD
    while isinstance(value, ast.Subscript):
        value = value.value
    if isinstance(value, ast.Attribute):
        return value.attr.lstrip("_")
    return value.id.lstrip("_") if isinstance(value, ast.Name) else "value"
