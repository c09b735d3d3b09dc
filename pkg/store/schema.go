package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver named "sqlite"
)

// schema is the schema of databaseVersion. Times are Unix nanoseconds (0 = not set). States and
// statuses are the words of pkg/signing.
//
// The rowid of a document is its InternalID: the operation's ID plus 1024 for each position up to
// its own, so that the documents of an operation are neighbours and need no index. Rows that are
// written once (documents) are separate from those that change (progress), so that a change of
// state writes a few bytes, and many rows that change share a page.
//
// instance.generation grows whenever the WAL was copied into the database (generation.go).
// instance.swept is the time that retention trusted when it last ran (clock.go). The table removed
// holds the ids of operations whose rows are gone and whose files may still exist.
// operations.metadata estimates how many bytes an operation takes in the database. The table usage
// holds the sum of it and of operations.bytes for each client service, which triggers keep up to
// date. operations.key_digest is keyhome.KeyOf the client service and the Idempotency-Key.
//
// The table claims is a keyhome.Table. claims.copied is NULL for a claim that was imported from
// another instance, which has it too. Triggers keep claim_totals up to date.
// claim_totals.highest_version is not below the version of any claim. key_state.state is a
// keyhome.State as JSON. The operations with ids up to key_state.unfilled may lack their key_digest
// and their claim, because an earlier release or a process without key homes has created them.
const schema = `
CREATE TABLE instance (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	sequence INTEGER NOT NULL, -- the last one given out
	sent INTEGER NOT NULL DEFAULT 0, returned INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
	checked INTEGER NOT NULL DEFAULT 0,
	generation INTEGER NOT NULL DEFAULT 0, swept INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE removed (id INTEGER PRIMARY KEY);
CREATE TABLE operations (
	id INTEGER PRIMARY KEY,
	client_service TEXT NOT NULL,
	external_reference TEXT NOT NULL,
	description TEXT NOT NULL,
	preservation TEXT NOT NULL,
	return_content INTEGER NOT NULL,
	idempotency_key TEXT, -- NULL = none
	fingerprint BLOB NOT NULL,
	status TEXT NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	next_try INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL,
	ended INTEGER NOT NULL DEFAULT 0,
	is_ended INTEGER NOT NULL DEFAULT 0,
	document_count INTEGER NOT NULL,
	bytes INTEGER NOT NULL, -- of the operation's file
	fetched INTEGER NOT NULL DEFAULT 0, -- when its results were first given out in full
	callback TEXT NOT NULL DEFAULT '', -- URL that is told of the end
	metadata INTEGER NOT NULL DEFAULT 0,
	key_digest BLOB -- NULL = no idempotency_key
);
CREATE TABLE callbacks ( -- that are still to be made
	operation INTEGER PRIMARY KEY,
	tries INTEGER NOT NULL DEFAULT 0,
	next_try INTEGER NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (next_try);
CREATE UNIQUE INDEX operations_reference ON operations (client_service, external_reference);
CREATE UNIQUE INDEX operations_key ON operations (client_service, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX operations_unfinished ON operations (id) WHERE is_ended = 0;
CREATE INDEX operations_ended ON operations (ended, id) WHERE is_ended = 1;
CREATE INDEX operations_of_client ON operations (client_service, ended, id) WHERE is_ended = 1;
CREATE INDEX operations_fetched ON operations (fetched) WHERE fetched > 0;
CREATE TABLE documents (
	id INTEGER PRIMARY KEY,
	operation INTEGER NOT NULL,
	position INTEGER NOT NULL, -- Ref.Index
	reference_digest INTEGER NOT NULL, -- 64 bits over client service and external reference
	external_reference TEXT NOT NULL,
	name TEXT NOT NULL,
	content_type TEXT NOT NULL,
	signature TEXT NOT NULL, -- JSON
	at INTEGER NOT NULL, -- where the document starts in the operation's file
	size INTEGER NOT NULL,
	sha256 BLOB NOT NULL,
	midstate BLOB
);
CREATE INDEX documents_reference ON documents (reference_digest);
CREATE TABLE progress (
	id INTEGER PRIMARY KEY, -- of the document
	state TEXT NOT NULL,
	value BLOB, -- the signature value, until the section is stored
	section_at INTEGER, -- where the section starts in the operation's file; NULL = in sections
	section_size INTEGER NOT NULL DEFAULT 0,
	failure_kind TEXT,
	failure_detail TEXT,
	section_sha256 BLOB, -- of section and pieces; NULL = no section, or one that an earlier release stored
	pieces TEXT, -- see pieces.go; NULL = the original, then the section
	certificate TEXT -- Document.CertificateSerial; NULL = not signed, or not known
);
CREATE TABLE prepared (
	id INTEGER PRIMARY KEY, -- of the document
	digest BLOB NOT NULL,
	state BLOB NOT NULL,
	certificate TEXT NOT NULL DEFAULT '' -- as in progress
);
CREATE TABLE sections (
	id INTEGER PRIMARY KEY, -- of the document
	section BLOB NOT NULL
);
CREATE TABLE calls (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	credential TEXT NOT NULL,
	certificate TEXT NOT NULL DEFAULT '', -- serial number, hexadecimal
	handle TEXT NOT NULL DEFAULT '',
	refs TEXT NOT NULL -- JSON: [[operation, position], …] in the order of the digests
);
` + usageSchema + claimsSchema

const usageSchema = `
CREATE TABLE usage (client_service TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER usage_more AFTER INSERT ON operations BEGIN
	INSERT INTO usage VALUES (new.client_service, new.bytes + new.metadata) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER usage_other AFTER UPDATE OF bytes, metadata ON operations BEGIN
	UPDATE usage SET bytes = bytes + new.bytes + new.metadata - old.bytes - old.metadata WHERE client_service = new.client_service;
END;
CREATE TRIGGER usage_less AFTER DELETE ON operations BEGIN
	UPDATE usage SET bytes = bytes - old.bytes - old.metadata WHERE client_service = old.client_service;
	DELETE FROM usage WHERE client_service = old.client_service AND bytes <= 0;
END;
`

const claimsSchema = `
CREATE INDEX operations_key_digest ON operations (key_digest) WHERE key_digest IS NOT NULL;
CREATE TABLE claims (
	position INTEGER PRIMARY KEY AUTOINCREMENT,
	key BLOB NOT NULL UNIQUE,
	owner INTEGER NOT NULL, -- ordinal
	attempt INTEGER NOT NULL,
	fingerprint BLOB NOT NULL,
	expires INTEGER NOT NULL, -- Unix seconds; 0 = never
	version INTEGER NOT NULL,
	copied INTEGER
);
CREATE TABLE key_state (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	state TEXT NOT NULL DEFAULT '',
	unfilled INTEGER NOT NULL DEFAULT 0
);
INSERT INTO key_state (only_row) VALUES (1);
CREATE TABLE claim_totals (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	claims INTEGER NOT NULL DEFAULT 0, uncopied INTEGER NOT NULL DEFAULT 0,
	highest_version INTEGER NOT NULL DEFAULT 0
);
INSERT INTO claim_totals (only_row) VALUES (1);
CREATE TRIGGER claims_more AFTER INSERT ON claims BEGIN
	UPDATE claim_totals SET claims = claims + 1, uncopied = uncopied + (new.copied IS 0),
		highest_version = max(highest_version, new.version);
END;
CREATE TRIGGER claims_other AFTER UPDATE OF copied ON claims BEGIN
	UPDATE claim_totals SET uncopied = uncopied + (new.copied IS 0) - (old.copied IS 0);
END;
CREATE TRIGGER claims_less AFTER DELETE ON claims BEGIN
	UPDATE claim_totals SET claims = claims - 1, uncopied = uncopied - (old.copied IS 0);
END;
`

const (
	// writerCacheKiB is the size of the cache for the pages that one group of writes touches. Pages
	// that do not fit are written to the WAL early.
	writerCacheKiB = 2048
	readerCacheKiB = 256
	// readConnections is how many reads run at a time. Each connection has its own cache and
	// prepared statements.
	readConnections = 4
	// walPages bounds the WAL (4 MiB of 4 KiB pages). At this size writer.mark copies the WAL into the
	// database, and the WAL is written from the start again.
	walPages = 1024
)

// connect opens the database for one writer, or for readers. It waits for a busy database, because
// only a checkpoint or an operator's sqlite3 program ever holds a lock.
func connect(path string, writer bool) (*sql.DB, error) {
	pragmas := []string{"busy_timeout(10000)", "temp_store(MEMORY)"}
	conns := 1
	if writer {
		pragmas = append(pragmas, "auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(FULL)",
			"wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", walPages*4096),
			fmt.Sprintf("cache_size(-%d)", writerCacheKiB))
	} else {
		pragmas = append(pragmas, "query_only(1)", fmt.Sprintf("cache_size(-%d)", readerCacheKiB))
		conns = readConnections
	}
	var dsn strings.Builder
	dsn.WriteString("file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate")
	for _, p := range pragmas {
		dsn.WriteString("&_pragma=" + url.QueryEscape(p))
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// databaseVersion is the version of the schema, which SQLite keeps as user_version. A database with
// an earlier version is upgraded.
const databaseVersion = 9

// upgrades holds for each version n the statements that make version n+1 of it. Each keeps all
// data.
var upgrades = map[int]string{
	1: "ALTER TABLE calls ADD COLUMN certificate TEXT NOT NULL DEFAULT ''",
	2: `ALTER TABLE operations ADD COLUMN fetched INTEGER NOT NULL DEFAULT 0;
		CREATE INDEX operations_fetched ON operations (fetched) WHERE fetched > 0`,
	3: `ALTER TABLE operations ADD COLUMN callback TEXT NOT NULL DEFAULT '';
		CREATE TABLE callbacks (operation INTEGER PRIMARY KEY, tries INTEGER NOT NULL DEFAULT 0, next_try INTEGER NOT NULL);
		CREATE INDEX callbacks_due ON callbacks (next_try)`,
	4: "ALTER TABLE progress ADD COLUMN section_sha256 BLOB",
	5: `ALTER TABLE instance ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
		ALTER TABLE instance ADD COLUMN swept INTEGER NOT NULL DEFAULT 0;
		CREATE TABLE removed (id INTEGER PRIMARY KEY);
		CREATE INDEX operations_of_client ON operations (client_service, ended, id) WHERE is_ended = 1;
		ALTER TABLE operations ADD COLUMN metadata INTEGER NOT NULL DEFAULT 0;
		UPDATE operations SET metadata = document_count * 700 + coalesce((SELECT sum(section_size) FROM progress
			WHERE id > operations.id AND id <= operations.id + operations.document_count * 1024 AND section_at IS NULL), 0);` +
		usageSchema +
		`INSERT INTO usage SELECT client_service, sum(bytes + metadata) FROM operations GROUP BY client_service`,
	6: "ALTER TABLE progress ADD COLUMN pieces TEXT",
	7: "ALTER TABLE operations ADD COLUMN key_digest BLOB;" + claimsSchema +
		"UPDATE key_state SET unfilled = (SELECT coalesce(max(id), 0) FROM operations)",
	8: `ALTER TABLE progress ADD COLUMN certificate TEXT;
		ALTER TABLE prepared ADD COLUMN certificate TEXT NOT NULL DEFAULT ''`,
}

// migrate creates the tables of a new database, upgrades an older database, and refuses one of a
// later release.
func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read database version: %w", err)
	}
	if version == databaseVersion {
		return nil
	}
	if version > databaseVersion {
		return fmt.Errorf("database version is %d, this release knows %d at most", version, databaseVersion)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to make tables: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	var statements string
	if version == 0 {
		// Start at the clock, so that a new volume does not assign an id a second time.
		statements = schema + fmt.Sprintf("INSERT INTO instance (only_row, sequence) VALUES (1, %d);", time.Now().UnixMilli())
	} else {
		for v := version; v < databaseVersion; v++ {
			statements += upgrades[v] + ";"
		}
	}
	statements += fmt.Sprintf("PRAGMA user_version = %d;", databaseVersion)
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit tables: %w", err)
	}
	return nil
}
