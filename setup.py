"""Compiles the page's translations into the wheel (ADR 83). Everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CATALOGS = Path("src/custodes/web/language/catalogs")


class WithTranslations(build_py):
    """Puts a gettext MO beside where each PO would be; the PO files themselves stay out (`package-data`)."""

    def run(self) -> None:
        """Copy the package, then compile."""
        super().run()
        if self.editable_mode:
            return  # a checkout compiles its sources when they are asked for
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        target = Path(self.build_lib) / CATALOGS.relative_to("src")
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted(CATALOGS.glob("*.po")):
            with source.open("rb") as file, (target / f"{source.stem}.mo").open("wb") as out:
                write_mo(out, read_po(file, locale=source.stem.replace("-", "_"), charset="utf-8"))


setup(cmdclass={"build_py": WithTranslations})
