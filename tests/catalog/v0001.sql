BEGIN TRANSACTION;
CREATE TABLE account (
	user_id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	name_folded VARCHAR NOT NULL, 
	password_hash VARCHAR NOT NULL, 
	roles VARCHAR NOT NULL, 
	created_ns BIGINT NOT NULL, 
	PRIMARY KEY (user_id), 
	UNIQUE (name_folded)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE camera (
	camera_id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	url VARCHAR NOT NULL, 
	username VARCHAR NOT NULL, 
	password_ref VARCHAR NOT NULL, 
	transport VARCHAR NOT NULL, 
	is_enabled BOOLEAN NOT NULL, 
	is_looped BOOLEAN NOT NULL, 
	PRIMARY KEY (camera_id)
);
INSERT INTO "camera" VALUES('gate','Gate','rtsp://192.0.2.1/gate','viewer','env:PW','tcp',1,0);
CREATE TABLE chunk (
	chunk_id INTEGER NOT NULL, 
	camera_id VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	seq_first BIGINT NOT NULL, 
	seq_last BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	frames INTEGER NOT NULL, 
	columns BLOB NOT NULL, 
	PRIMARY KEY (chunk_id), 
	CONSTRAINT chunk_key UNIQUE (camera_id, run, seq_first)
);
CREATE TABLE coverage (
	camera_id VARCHAR NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	PRIMARY KEY (camera_id, start_ns)
);
INSERT INTO "coverage" VALUES('gate',1700000000000000000,1700000059000000000);
CREATE TABLE gap (
	camera_id VARCHAR NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	cause VARCHAR NOT NULL, 
	PRIMARY KEY (camera_id, start_ns)
);
INSERT INTO "gap" VALUES('gate',1700000060000000000,1700000065000000000,'stalled');
CREATE TABLE journal (
	journal VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	PRIMARY KEY (journal)
);
INSERT INTO "journal" VALUES('recorder.journal',4242);
CREATE TABLE login (
	token_hash BLOB NOT NULL, 
	user_id VARCHAR NOT NULL, 
	csrf_token VARCHAR NOT NULL, 
	created_ns BIGINT NOT NULL, 
	last_seen_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	PRIMARY KEY (token_hash)
);
CREATE TABLE meta (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('site_id','site');
INSERT INTO "meta" VALUES('newest_log_index','7');
CREATE TABLE segment (
	segment_id VARCHAR NOT NULL, 
	camera_id VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	site_id VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	key_id VARCHAR NOT NULL, 
	wrapped_key BLOB NOT NULL, 
	path VARCHAR NOT NULL, 
	bytes_on_disk BIGINT NOT NULL, 
	fragments INTEGER NOT NULL, 
	root BLOB NOT NULL, 
	is_sealed BOOLEAN NOT NULL, 
	log_index BIGINT, 
	PRIMARY KEY (segment_id)
);
INSERT INTO "segment" VALUES('1700000000000000000-0123456789ab-0','gate','0123456789ab','site',1,1700000000000000000,1700000060000000000,'gate/20231114',X'00FF','segments/gate/20231114/1700000000000000000-0123456789ab-0.seg',6000000,61,X'AA',1,7);
CREATE TABLE total (
	camera_id VARCHAR NOT NULL, 
	recorded_ns BIGINT DEFAULT '0' NOT NULL, 
	gaps_ns BIGINT DEFAULT '0' NOT NULL, 
	tracks BIGINT DEFAULT '0' NOT NULL, 
	people BIGINT DEFAULT '0' NOT NULL, 
	vehicles BIGINT DEFAULT '0' NOT NULL, 
	longest_segment_ns BIGINT DEFAULT '0' NOT NULL, 
	longest_track_ns BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (camera_id)
);
INSERT INTO "total" VALUES('gate',60000000000,5000000000,0,0,0,60000000000,0);
CREATE TABLE tracklet (
	camera_id VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	track_id BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	object_class INTEGER NOT NULL, 
	frames INTEGER NOT NULL, 
	mean_score FLOAT NOT NULL, 
	boxes BLOB NOT NULL, 
	PRIMARY KEY (camera_id, run, track_id, start_ns)
);
CREATE INDEX chunk_by_time ON chunk (camera_id, start_ns);
CREATE INDEX coverage_by_end ON coverage (camera_id, end_ns);
CREATE INDEX segment_by_time ON segment (camera_id, start_ns);
CREATE INDEX segment_unlogged ON segment (start_ns) WHERE is_sealed AND log_index IS NULL;
CREATE INDEX tracklet_by_time ON tracklet (camera_id, start_ns);
COMMIT;
