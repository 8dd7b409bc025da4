"""Makes v0001.sql: a small catalog as the first schema kept it. `python tests/catalog/make_v0001.py`, once."""

import sqlite3
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import custodes.adapters.sql as sql

ROWS = """
INSERT INTO meta VALUES ('site_id', 'site'), ('newest_log_index', '7');
INSERT INTO camera VALUES ('gate', 'Gate', 'rtsp://192.0.2.1/gate', 'viewer', 'env:PW', 'tcp', 1, 0);
INSERT INTO journal VALUES ('recorder.journal', 4242);
INSERT INTO segment VALUES ('1700000000000000000-0123456789ab-0', 'gate', '0123456789ab', 'site', 1,
    1700000000000000000, 1700000060000000000, 'gate/20231114', x'00ff',
    'segments/gate/20231114/1700000000000000000-0123456789ab-0.seg', 6000000, 61, x'aa', 1, 7);
INSERT INTO gap VALUES ('gate', 1700000060000000000, 1700000065000000000, 'stalled');
INSERT INTO coverage VALUES ('gate', 1700000000000000000, 1700000059000000000);
INSERT INTO total (camera_id, recorded_ns, gaps_ns, longest_segment_ns)
    VALUES ('gate', 60000000000, 5000000000, 60000000000);
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(sql.__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        engine.dispose()
        database = sqlite3.connect(path)
        database.executescript(ROWS)
        Path(__file__).with_name("v0001.sql").write_text("\n".join(database.iterdump()) + "\n")
        database.close()


if __name__ == "__main__":
    main()
