package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// digests hashes every file in a folder.
func digests(t *testing.T, folder string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = sha256.Sum256(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCheckChangesNothing leaves every file as it is in the folder of a process that was killed,
// and sees what is only in the WAL.
func TestCheckChangesNothing(t *testing.T) {
	folder := t.TempDir()
	crash(
		t,
		"sweep: rows deleted",
		[]string{
			"STORE_TEST_FOLDER=" + folder,
			"STORE_TEST_STEP=sweep: rows deleted",
			"STORE_TEST_AFTER=1",
			"STORE_TEST_ROUND=0",
		},
		map[string]promise{},
	)
	before := digests(t, folder)
	if wal, err := os.Stat(filepath.Join(folder, "metadata.db-wal")); err != nil || wal.Size() == 0 {
		t.Fatalf("the killed process left no WAL: %v", err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	r, err := store.Check(t.Context(), folder)
	if err != nil || len(r.Faults) > 0 || r.Operations == 0 {
		t.Errorf("Check = %+v, %v", r, err)
	}
	if !maps.Equal(before, digests(t, folder)) {
		t.Error("Check has changed the folder")
	}
	if left := list(t, os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("Check leaves %q behind", left)
	}
}

// TestCheckReadOnlyDisk runs checkHelper.
func TestCheckReadOnlyDisk(t *testing.T) {
	folder, _, _ := checkedFolder(t)
	runMounting(t, helper(t, "check", "STORE_TEST_FOLDER="+folder))
}

// checkHelper mounts a folder read-only and checks it.
func checkHelper() error {
	folder := os.Getenv("STORE_TEST_FOLDER")
	for _, flags := range []uintptr{syscall.MS_BIND, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY} {
		if err := syscall.Mount(folder, folder, "", flags, ""); err != nil {
			return fmt.Errorf("%s: %w", errNoMount, err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%s: the folder is not read-only: %w", errNoMount, err)
	}
	r, err := store.Check(context.Background(), folder)
	if err == nil && (len(r.Faults) > 0 || r.Operations != 5) {
		err = fmt.Errorf("found %+v", r)
	}
	return err
}
