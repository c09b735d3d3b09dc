package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TempSuffix ends the name of every file that WriteFile has not finished.
const TempSuffix = ".tmp"

// WriteFile writes data to path and replaces what was there. After a crash path holds the old
// content or the new, never a part. The data is durable when WriteFile returns nil. The file has
// exactly the mode perm, independent of the umask. The folder must exist. Concurrent calls for one
// path are safe; one of them wins.
func WriteFile(path string, data []byte, perm os.FileMode) (err error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	f, err := os.CreateTemp(folder, "."+name+".*"+TempSuffix)
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := fill(f, data, perm); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("rename temporary file: %w", err)
	}
	return SyncDir(folder)
}

// fill writes, syncs and closes f.
func fill(f *os.File, data []byte, perm os.FileMode) error {
	if err := errors.Join(f.Chmod(perm), writeAll(f, data)); err != nil {
		_ = f.Close()
		return fmt.Errorf("write temporary file: %w", err)
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return fmt.Errorf("sync temporary file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close temporary file: %w", err)
	}
	return nil
}

func writeAll(f *os.File, data []byte) error {
	_, err := f.Write(data)
	return err
}

// MkdirAll creates path and every missing folder above it. Each is durable when MkdirAll returns
// nil. If path is a folder already, it does and syncs nothing.
func MkdirAll(path string, perm os.FileMode) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("not a folder")}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("stat folder: %w", err)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}

// Rename moves a file or folder to another name in the same file system, replaces a file there, and
// makes that durable. The content must have been synced before.
func Rename(oldPath, newPath string) error {
	if err := os.Rename(oldPath, newPath); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	gains, loses := filepath.Dir(newPath), filepath.Dir(oldPath)
	if err := SyncDir(gains); err != nil {
		return err
	}
	if loses == gains {
		return nil
	}
	return SyncDir(loses)
}

// RemoveAll removes path with everything in it and makes that durable. It returns nil if path does
// not exist.
func RemoveAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a folder durable: files created, renamed or removed in it.
func SyncDir(path string) error { return syncPath(path, "folder") }

// SyncFile makes the content of a file durable that was written and closed before.
func SyncFile(path string) error { return syncPath(path, "file") }

func syncPath(path, what string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open %s to sync: %w", what, err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", what, err)
	}
	return nil
}
