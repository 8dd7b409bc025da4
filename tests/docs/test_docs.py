"""What the documents point at exists: files, commands, options, make targets, modules."""

import re
from pathlib import Path

import click
import pytest

from custodes.cli.main import COMMANDS, custodes
from custodes.config import load_site_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


def _commands(text: str) -> list[list[str]]:
    spans = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]
    found = []
    for span in spans:
        words = span.split("#")[0].split()
        if words and words[0].removeprefix(".venv/bin/") == "custodes":
            found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_custodes_command_exists_with_its_options(page: Path) -> None:
    for words in _commands(page.read_text(encoding="utf-8")):
        command: click.Command = custodes
        context = click.Context(command)
        for word in words:
            if isinstance(command, click.Group) and re.fullmatch(r"[a-z]+(-[a-z]+)*", word):
                found = command.get_command(context, word)
                assert found is not None, f"{page.name}: custodes {' '.join(words)}: no command {word!r}"
                command = found
            elif word.startswith("--"):
                options = {name for parameter in command.params for name in parameter.opts}
                assert word.split("=")[0] in options, f"{page.name}: {' '.join(words)}: no option {word!r}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.M))
    for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.M):
        assert target in targets, f"{page.name} names make {target}"


def test_readme_names_every_command() -> None:
    named = {words[0] for words in _commands(README) if words}
    assert set(COMMANDS) - {"demo"} <= named


def test_readmes_configuration_is_accepted(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    (tmp_path / "site.yaml").write_text(block, encoding="utf-8")
    config = load_site_yaml(tmp_path / "site.yaml")
    assert [camera.id for camera in config.cameras] == ["gate"]


def test_makefile_help_lists_every_phony_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())  # type: ignore[index]
    assert phony == set(re.findall(r"^([a-z]+):.*## ", makefile, re.M))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_modules_named_in_documents_exist(page: Path) -> None:
    package = ROOT / "src" / "custodes"
    tops = {entry.stem for entry in package.iterdir() if not entry.name.startswith("_")}
    for name in re.findall(r"`((?:custodes\.)?[a-z_]+(?:\.[a-z_]+)+)`", page.read_text(encoding="utf-8")):
        parts = name.removeprefix("custodes.").split(".")
        if parts[0] not in tops or parts[-1] in ("py", "md", "yaml", "json", "db", "sock", "log"):
            continue
        # The last part may be a name inside the module that the others make up.
        stems = [package.joinpath(*parts), package.joinpath(*parts[:-1])]
        assert any(stem.is_dir() or stem.with_suffix(".py").is_file() for stem in stems), f"{page.name}: {name}"


def test_no_document_or_source_names_a_registrys_host() -> None:
    hosts = re.compile(r"(pypi|npmjs|pythonhosted|debian)\.(org|com)\b|files\.python")
    for page in [*PAGES, ROOT / "Makefile", *(ROOT / "demo").glob("*.py"), *(ROOT / ".ci").iterdir()]:
        assert not hosts.search(page.read_text(encoding="utf-8")), page


def test_architecture_maps_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z/]+)`", text.partition("## Code map")[2], re.M))
    source = ROOT / "src" / "custodes"
    packages = {path.parent.relative_to(source).as_posix() for path in source.glob("*/__init__.py")}
    assert packages - rows == {"adapters"}, "adapters have a row each"
    assert {f"adapters/{path.parent.name}" for path in source.glob("adapters/*/__init__.py")} <= rows
    assert {row for row in rows if "/" in row or row in packages} <= {
        path.parent.relative_to(source).as_posix() for path in source.rglob("__init__.py")
    }


def test_every_package_says_what_it_is_for() -> None:
    source = ROOT / "src" / "custodes"
    silent = [path for path in source.rglob("__init__.py") if not path.read_text(encoding="utf-8").startswith('"""')]
    assert [path.parent.name for path in silent] == []


def test_each_decision_has_a_number_of_its_own_in_name_and_heading() -> None:
    names = sorted(path.name for path in (ROOT / "docs/adr").glob("*.md"))
    numbers = [int(name[:4]) for name in names]
    assert len(set(numbers)) == len(numbers), names
    for name, number in zip(names, numbers, strict=True):
        assert (ROOT / "docs/adr" / name).read_text().startswith(f"# {number}. "), name
