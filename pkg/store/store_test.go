package store_test

import (
	"testing"

	"github.com/go-logr/logr/testr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.Folder == "" {
		cfg.Folder = t.TempDir()
	}
	cfg.Log, cfg.LockWait = testr.New(t), -1
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	folders := make(map[signing.Store]string)
	at := func(t *testing.T, folder string) signing.Store {
		s := open(t, store.Config{Folder: folder, Ordinal: 7})
		folders[s] = folder
		return s
	}
	storetest.Run(t, func(t *testing.T) signing.Store { return at(t, t.TempDir()) }, storetest.Options{
		Reopen: func(t *testing.T, s signing.Store) signing.Store {
			if err := s.(*store.Store).Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			return at(t, folders[s])
		},
	})
}
