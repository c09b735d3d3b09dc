package store_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// xfs returns a folder on a small XFS, whose files can share blocks. The test is skipped where it
// cannot be mounted.
func xfs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	image := filepath.Join(folder, "image")
	root := filepath.Join(folder, "root")
	err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 512<<20), os.Mkdir(root, 0o700))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, root}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no XFS can be mounted here: %v %s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return root
}

// TestClone takes the documents of files on its own file system without a copy, and whatever their
// sizes are. What their owner writes to them afterwards does not change the documents.
func TestClone(t *testing.T) {
	for name, folder := range map[string]func(*testing.T) string{
		"xfs":      xfs,
		"its kind": (*testing.T).TempDir, // copies, unless this file system can clone too
	} {
		t.Run(name, func(t *testing.T) { testClone(t, folder(t), name == "xfs") })
	}
}

func testClone(t *testing.T, root string, clones bool) {
	state := filepath.Join(root, "state")
	s, err := store.Open(t.Context(), store.Config{Folder: state, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	var files []*os.File
	var want [][]byte
	var contents []signing.Content
	for i, size := range []int{200_000, 1, 64 << 10, 70_001, 4095, 16<<20 + 1, 3, 200_000} {
		data := make([]byte, size)
		_, _ = random.Read(data)
		f, err := os.Create(filepath.Join(root, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		files, want = append(files, f), append(want, data)
	}
	before := free(t, root)
	for i, f := range files {
		c, err := up.Add(io.NewSectionReader(f, 0, int64(len(want[i]))))
		if err != nil {
			t.Fatal(err)
		}
		if c.Size != int64(len(want[i])) || c.SHA256 != sha256.Sum256(want[i]) {
			t.Errorf("document %d has size %d and another digest than its file", i, c.Size)
		}
		contents = append(contents, c)
	}
	op, err := s.Create(t.Context(), up, newOperation("r", contents...))
	if err != nil {
		t.Fatal(err)
	}
	if taken := before - free(t, root); clones && taken > 4<<20 {
		t.Errorf("the operation takes %d bytes of the disk, want less than 4 MiB", taken)
	}
	for i, f := range files { // a writer that goes on
		if _, err := f.WriteAt([]byte("changed"), 0); err != nil {
			t.Fatal(err)
		}
		got := readContent(t, s, op.ID, contents[i])
		if !bytes.Equal(got, want[i]) {
			t.Errorf("document %d is not what its file was", i)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := store.Check(t.Context(), state); err != nil || len(r.Faults) > 0 {
		t.Errorf("Check = %+v, %v", r, err)
	}
}

func free(t *testing.T, folder string) int64 {
	t.Helper()
	unix.Sync()
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

func readContent(t *testing.T, s *store.Store, id signing.ID, c signing.Content) []byte {
	t.Helper()
	f, err := s.OpenFile(t.Context(), id, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCloneFails copies a document that cannot be cloned, such as a file that is longer now than it
// was.
func TestCloneFails(t *testing.T) {
	root := xfs(t)
	s, err := store.Open(t.Context(), store.Config{Folder: filepath.Join(root, "state"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	data := bytes.Repeat([]byte("x"), 100_000)
	f, err := os.Create(filepath.Join(root, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(data, 'y')); err != nil {
		t.Fatal(err)
	}
	var contents []signing.Content
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := up.Add(io.NewSectionReader(f, 0, int64(len(data))))
		if err != nil || c.SHA256 != sha256.Sum256(data) {
			t.Fatalf("Add = %v, %v", c, err)
		}
		contents = append(contents, c)
	}
	op, err := s.Create(t.Context(), up, newOperation("r", contents...))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contents {
		if !bytes.Equal(readContent(t, s, op.ID, c), data) {
			t.Error("the document is not the part of the file")
		}
	}
}

// lostFile is a file of which the disk has lost a part.
type lostFile struct{ *os.File }

var errLost = errors.New("input/output error")

func (lostFile) ReadAt([]byte, int64) (int, error) { return 0, errLost }

// TestCloneUnreadable reports the error of the file if a clone of it cannot be read, and not an
// error of the store, which would hold up all documents of the operation.
func TestCloneUnreadable(t *testing.T) {
	root := xfs(t)
	s, err := store.Open(t.Context(), store.Config{Folder: filepath.Join(root, "state"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const size = 100_000
	path := filepath.Join(root, "a")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Discard()
	if err := store.WriteOnly(up); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Add(io.NewSectionReader(lostFile{f}, 0, size)); !errors.Is(err, errLost) {
		t.Errorf("Add of a file with a lost part = %v", err)
	}
	c, err := up.Add(io.NewSectionReader(f, 0, size)) // is copied, because its clone cannot be read here
	if err != nil || c.SHA256 != sha256.Sum256(make([]byte, size)) {
		t.Errorf("Add afterwards = %+v, %v", c, err)
	}
}
