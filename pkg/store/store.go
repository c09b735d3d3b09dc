package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Store is the signing.Store on disk. Make it with Open, end it with Close. Safe for concurrent
// use.
type Store struct {
	cfg    Config
	log    logr.Logger
	folder *folder

	writer  *writer
	write   *sql.DB
	read    *sql.DB
	queries queries

	// alive is held for reading by every write and taken by Close.
	alive  sync.RWMutex
	closed bool

	sequence  atomic.Int64 // the last one given out
	stored    atomic.Int64 // bytes of operations' files
	uploading atomic.Int64 // bytes of uploads not taken over yet
	left      atomic.Int64 // bytes that may come in before Store.full has to be asked again
	appends   [16]sync.Mutex

	sweeping  sync.Mutex    // guards the removal of operations
	unlinked  []int64       // removed operations whose files are gone; guarded by sweeping
	wake      chan struct{} // of Run
	doubtful  doubtful
	age       ageClock
	reserve   *reserve
	earlier   earlierIDs
	beingRead beingRead

	diskBytes func(path string) (int64, error) // size of the folder's disk
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
	s := &Store{
		cfg:       cfg,
		log:       cfg.Log,
		folder:    f,
		wake:      make(chan struct{}, 1),
		diskBytes: diskBytes,
		reserve:   newReserve(cfg.Folder),
	}
	if err := s.open(ctx); err != nil {
		s.shut()
		return nil, fmt.Errorf("open state folder %s: %w", cfg.Folder, err)
	}
	s.log.Info("state folder opened", "folder", cfg.Folder, "instance", f.Instance, "storedBytes", s.stored.Load())
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.write, err = connect(s.folder.database(), true); err != nil {
		return err
	}
	if err := s.folder.checkTables(ctx, s.write); err != nil {
		return err
	}
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.writer = newWriter(writerConfig{conn: conn, log: s.log, step: s.step, saw: s.folder.sawGeneration})
	err = s.writer.mark()
	go s.writer.loop()
	if err != nil {
		if s.folder.Making {
			return err
		}
		s.log.Error(err, "could not note how new the database is")
	}
	if err := s.folder.protect(); err != nil {
		return err
	}
	if s.read, err = connect(s.folder.database(), false); err != nil {
		return err
	}
	if err := s.queries.prepare(ctx, s.read); err != nil {
		return err
	}
	if err := durable.SyncDir(s.cfg.Folder); err != nil { // the database's own name
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.startAgeClock(ctx); err != nil {
		return err
	}
	if err := s.tidy(ctx); err != nil {
		return err
	}
	if err := s.reserve.hold("", 0); err != nil {
		s.log.Error(err, "no room can be kept for signature values; no call begins until there is")
	}
	return nil
}

// load reads what is kept in memory.
func (s *Store) load(ctx context.Context) error {
	var sequence, stored int64
	err := s.read.QueryRowContext(
		ctx,
		"SELECT (SELECT sequence FROM instance), (SELECT coalesce(sum(bytes), 0) FROM operations)",
	).Scan(
		&sequence,
		&stored,
	)
	if err != nil {
		return fmt.Errorf("read totals: %w", err)
	}
	s.sequence.Store(sequence)
	s.stored.Store(stored)
	return nil
}

// Close waits for running writes, ends the store and lets go of the folder. Later calls fail; open
// files stay readable.
func (s *Store) Close() error {
	s.alive.Lock()
	already := s.closed
	s.closed = true
	s.alive.Unlock()
	if already {
		return nil
	}
	return s.shut()
}

func (s *Store) shut() error {
	var errs []error
	if s.writer != nil {
		close(s.writer.jobs)
		<-s.writer.ended
	}
	s.queries.close()
	for _, db := range []*sql.DB{s.read, s.write} { // the last connection to close writes the WAL back
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.folder.lock.Release())...)
}

// do is writer.do on a store that is open.
func (s *Store) do(ctx context.Context, bytes int, run func(*tx) error) error {
	s.alive.RLock()
	defer s.alive.RUnlock()
	if s.closed {
		return storageError("write metadata", errClosed)
	}
	return s.writer.do(ctx, bytes, run)
}

// Instance is the random identity of the state: another one means that the state was lost or thrown
// away.
func (s *Store) Instance() string { return s.folder.Instance }

// Check reports whether new operations would be taken: KindBusy if there is no room for them,
// KindStorage if the store cannot be written, which is found out by writing. It is for readiness
// probes.
func (s *Store) Check(ctx context.Context) error {
	if err := s.full(); err != nil {
		return err
	}
	return s.touch(ctx)
}

// touch writes something.
func (s *Store) touch(ctx context.Context) error {
	return s.do(ctx, 0, func(t *tx) error {
		return t.mustChange(1, "UPDATE instance SET checked = ?", time.Now().UnixNano())
	})
}

// Stats is a moment's state, for metrics.
type Stats struct {
	StoredBytes          int64 // documents and larger sections of accepted operations
	UploadingBytes       int64 // documents on their way in
	MetadataBytes        int64 // database and WAL
	FreeBytes            int64 // of the file system, for this process
	DiskBytes            int64 // size of the file system; math.MaxInt64 = not known
	MinFreeBytes         int64 // Config.MinFree; 0 = no such bound
	Operations           int64
	UnfinishedOperations int64
	UnfinishedDocuments  int64 // documents of unfinished operations
	LostFiles            int64 // files in lost/: documents that the database does not know
	// operations asked for that this ordinal had before the state folder was made, since the start
	EarlierIDs int64
	// ClockJump is by how much the clock has jumped ahead, while retention does not believe it.
	ClockJump time.Duration
}

// Stats returns the state of the moment.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{
		StoredBytes:    s.stored.Load(),
		UploadingBytes: s.uploading.Load(),
		MetadataBytes:  s.metadataBytes(),
		MinFreeBytes:   max(0, s.cfg.MinFree),
		LostFiles:      s.folder.lostFiles(),
		ClockJump:      s.age.distrusted(),
		EarlierIDs:     s.earlier.count.Load(),
	}
	var err error
	if st.FreeBytes, err = freeBytes(s.cfg.Folder); err != nil {
		return st, storageError("read free space", err)
	}
	if st.DiskBytes, err = s.diskBytes(s.cfg.Folder); err != nil {
		return st, storageError("read size of the disk", err)
	}
	err = s.queries.stats.QueryRowContext(ctx).Scan(&st.Operations, &st.UnfinishedOperations, &st.UnfinishedDocuments)
	return st, storageError("count operations", err)
}

// metadataBytes is what the database takes on disk.
func (s *Store) metadataBytes() (sum int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.folder.database() + suffix); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// step marks a place between durable steps, where crash tests end the process.
func (s *Store) step(name string) {
	if s.cfg.onStep != nil {
		s.cfg.onStep(name)
	}
}
