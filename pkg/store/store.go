package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Store is the signing.Store on disk. Make it with Open and end it with Close. It is safe for
// concurrent use.
//
// Store only puts its parts together, opens them and closes them. Each part lists in its struct
// the state that it may touch.
type Store struct {
	*records   // reads operations and documents
	*callbacks // the callbacks that are still to be made
	*intake    // uploads and new operations
	*journal   // the progress of documents, and calls to the provider
	*spool     // reads and extends the files of operations
	*sweeper   // removes operations
	*fetches   // whose results were fetched
	*readers   // who reads the documents of an operation now

	log    logr.Logger
	folder *folder
	db     *database
	space  *space
}

var _ signing.Store = (*Store)(nil)

// Open opens the state folder, waits for its lock, and removes what a crash left unfinished. ctx
// bounds the wait.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if cfg.Ordinal < 0 || cfg.Ordinal > signing.MaxOrdinal {
		return nil, fmt.Errorf("instance ordinal %d is not in 0 to %d", cfg.Ordinal, signing.MaxOrdinal)
	}
	f, err := openFolder(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := assemble(cfg, f)
	if err := s.open(ctx); err != nil {
		s.shut()
		return nil, fmt.Errorf("open state folder %s: %w", cfg.Folder, err)
	}
	s.log.Info("state folder opened", "folder", cfg.Folder, "instance", f.Instance, "storedBytes", s.space.stored.Load())
	return s, nil
}

// assemble connects the parts of a store. It opens nothing.
func assemble(cfg Config, f *folder) *Store {
	db := &database{path: f.database(), log: cfg.Log, step: cfg.step, saw: f.sawGeneration}
	space := newSpace(cfg, db, f.paths)
	uncertain := &uncertainCommits{db: db, files: f.paths, space: space, log: cfg.Log}
	records := &records{db: db, earlier: earlierIDs{ordinal: cfg.Ordinal, created: f.Created, log: cfg.Log}}
	spool := &spool{db: db, files: f.paths, space: space}
	readers := &readers{}
	fetches := &fetches{atOnce: cfg.Retention.Fetched > 0, db: db, log: cfg.Log}
	sweeper := &sweeper{
		cfg: cfg.Retention, db: db, files: f.paths, space: space, uncertain: uncertain, readers: readers,
		fetches: fetches, log: cfg.Log,
		age: ageClock{clock: cfg.clock, db: db, log: cfg.Log},
	}
	return &Store{
		records:   records,
		callbacks: &callbacks{db: db},
		intake: &intake{
			ordinal: cfg.Ordinal, db: db, files: f.paths, space: space,
			records: records, spool: spool, sweeper: sweeper, uncertain: uncertain, log: cfg.Log,
		},
		journal: &journal{db: db, spool: spool, reserve: newReserve(cfg.Folder), log: cfg.Log},
		spool:   spool,
		sweeper: sweeper,
		fetches: fetches,
		readers: readers,
		log:     cfg.Log,
		folder:  f,
		db:      db,
		space:   space,
	}
}

// open opens the database and brings memory, database and files in line with each other.
func (s *Store) open(ctx context.Context) error {
	if err := s.db.open(ctx, s.folder); err != nil {
		return err
	}
	if err := durable.SyncDir(s.folder.path()); err != nil { // the name of the database file
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.sweeper.age.start(ctx); err != nil {
		return err
	}
	tidying := tidying{db: s.db, files: s.folder.paths, log: s.log}
	if err := tidying.run(ctx); err != nil {
		return err
	}
	if err := s.journal.reserve.hold("", 0); err != nil {
		s.log.Error(err, "could not reserve disk space for signature values; no call begins until there is space")
	}
	return nil
}

// load reads the numbers that are kept in memory.
func (s *Store) load(ctx context.Context) error {
	const totals = "SELECT (SELECT sequence FROM instance), (SELECT coalesce(sum(bytes), 0) FROM operations)"
	var sequence, stored int64
	if err := s.db.read.QueryRowContext(ctx, totals).Scan(&sequence, &stored); err != nil {
		return fmt.Errorf("read totals: %w", err)
	}
	s.intake.sequence.Store(sequence)
	s.space.stored.Store(stored)
	return nil
}

// Close waits for running writes, closes the database and releases the folder. Later calls fail.
// Files that are open stay readable.
func (s *Store) Close() error {
	if err := s.fetches.flush(context.Background()); err != nil {
		s.log.Error(err, "could not record that results were fetched")
	}
	if !s.db.refuse() {
		return nil
	}
	return s.shut()
}

func (s *Store) shut() error { return errors.Join(s.db.shut(), s.folder.lock.Release()) }

// Instance is the random identity of the state. A different identity means that the state was lost
// or thrown away.
func (s *Store) Instance() string { return s.folder.Instance }

// Check reports whether the store accepts new operations. It returns KindBusy if there is no
// room for them, and KindStorage if the store cannot be written, which Check finds out by writing.
// It is for readiness probes.
func (s *Store) Check(ctx context.Context) error {
	if err := s.space.full(); err != nil {
		return err
	}
	return s.db.touch(ctx)
}

// Stats is the state of a moment, for metrics.
type Stats struct {
	StoredBytes          int64 // documents and larger sections of accepted operations
	UploadingBytes       int64 // documents that are being received
	MetadataBytes        int64 // database and WAL
	FreeBytes            int64 // of the file system, for this process
	DiskBytes            int64 // size of the file system; math.MaxInt64 = not known
	MinFreeBytes         int64 // Config.MinFree; 0 = no such bound
	Operations           int64
	UnfinishedOperations int64
	UnfinishedDocuments  int64 // documents of unfinished operations
	LostFiles            int64 // files in lost/: documents that the database does not know
	// EarlierIDs counts requests since the start for operations that this ordinal created before the
	// state folder was made.
	EarlierIDs int64
	// Claims is the number of claims of Idempotency-Keys. See Store.Claims.
	Claims int64
	// UncopiedClaims counts the claims that this instance has granted and that no other instance is
	// known to have. They are lost with its volume. A single instance copies no claim.
	UncopiedClaims int64
	// ClockJump is by how much the clock has jumped ahead, as long as retention does not trust the
	// jump.
	ClockJump time.Duration
}

// Stats returns the state of the moment.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{
		StoredBytes:    s.space.stored.Load(),
		UploadingBytes: s.space.uploading.Load(),
		MetadataBytes:  s.db.metadataBytes(),
		MinFreeBytes:   max(0, s.space.minFree),
		LostFiles:      s.folder.lostFiles(),
		ClockJump:      s.sweeper.age.distrusted(),
		EarlierIDs:     s.records.earlier.count.Load(),
	}
	var err error
	if st.FreeBytes, err = freeBytes(s.folder.path()); err != nil {
		return st, storageError("read free space", err)
	}
	if st.DiskBytes, err = s.space.diskBytes(s.folder.path()); err != nil {
		return st, storageError("read size of the disk", err)
	}
	err = s.db.queries.stats.QueryRowContext(ctx).Scan(
		&st.Operations, &st.UnfinishedOperations, &st.UnfinishedDocuments, &st.Claims, &st.UncopiedClaims)
	return st, storageError("count operations", err)
}
