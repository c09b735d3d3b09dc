package api

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxEntryName keeps a name, with the number that makes it unique, within the 255 bytes that file
// systems allow.
const maxEntryName = 240

// copyBuffers holds the buffers for copying documents.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, maxStoredBlock); return &b }}

// zipByID streams the signed documents of an operation as one zip file.
func zipByID(x *exchange) error {
	op, err := x.operationByID()
	if err != nil {
		return err
	}
	done, err := x.download(downloadWait)
	if err != nil {
		return err
	}
	defer done()
	from := newResults(x)
	var archive *zip.Writer
	var names entryNames
	err = from.each(op, func(d *signing.Document) error {
		if d.State != signing.DocumentSigned {
			return nil
		}
		if archive == nil {
			archive = beginZip(x.w, op)
			if x.r.Method == http.MethodHead {
				x.w.WriteHeader(http.StatusOK)
			}
		}
		if x.r.Method == http.MethodHead {
			return nil
		}
		return addEntry(archive, from, names.of(d), op, d)
	})
	switch {
	case err != nil:
		return err
	case archive == nil:
		return signing.Errorf(signing.KindNotFound, "operation %s has no signed document; its status is %s", op.ID, op.Status)
	case x.r.Method == http.MethodHead:
		return nil
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if op.Status.Ended() {
		from.fetched(op.ID)
	}
	return nil
}

// beginZip sets the header of the answer and returns the archive. Entries have the method deflate
// but are not compressed: PDF is compressed already, and CPU time is worth more than the size of
// XML. The method stored would be simpler, but Java's ZipInputStream cannot read stored entries
// whose size follows them.
func beginZip(w *response, op signing.Operation) *zip.Writer {
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="operation-`+op.ID.String()+`.zip"`)
	h.Set("Cache-Control", "no-store")
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return storedBlocks{w}, nil })
	return archive
}

// maxStoredBlock is the largest stored block of DEFLATE, in bytes; RFC 1951 3.2.4.
const maxStoredBlock = 1<<16 - 1

// storedBlocks writes DEFLATE without compression, in stored blocks only. compress/flate needs
// nearly a megabyte of memory to do the same.
type storedBlocks struct{ w io.Writer }

// Write implements io.Writer.
func (s storedBlocks) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(n+maxStoredBlock, len(p))]
		if err = s.begin(0, len(piece)); err != nil {
			return n, err
		}
		var m int
		m, err = s.w.Write(piece)
		n += m
	}
	return n, err
}

// Close writes the last block, which is empty.
func (s storedBlocks) Close() error { return s.begin(1, 0) }

// begin writes the head of a block: whether it is the last, its type 00, its length, and its length
// inverted.
func (s storedBlocks) begin(last byte, length int) error {
	head := [5]byte{last}
	binary.LittleEndian.PutUint16(head[1:], uint16(length))
	binary.LittleEndian.PutUint16(head[3:], ^uint16(length))
	_, err := s.w.Write(head[:])
	return err
}

func addEntry(archive *zip.Writer, from results, name string, op signing.Operation, d *signing.Document) error {
	f, err := from.open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	entry, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: op.Created.UTC()})
	if err != nil {
		return err
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(entry, io.NewSectionReader(f, 0, f.Size()), *buf)
	if err != nil {
		return err
	}
	return checkLength(n, d)
}

// entryNames makes the names of the entries of one archive.
type entryNames struct {
	taken map[string]int // uses of a name in lower case, because some file systems ignore case
}

// of returns <document external reference>.<name of the signed document>, made safe for any file
// system and unique.
func (n *entryNames) of(d *signing.Document) string {
	if n.taken == nil {
		n.taken = make(map[string]int)
	}
	name := safeName(d.ExternalReference + "." + signing.SignedName(d))
	unique, ext := name, path.Ext(name)
	for {
		key := strings.ToLower(unique)
		n.taken[key]++
		if n.taken[key] == 1 {
			return unique
		}
		// The count of the original name numbers its duplicates. It also grows when a numbered name is
		// taken.
		if key != strings.ToLower(name) {
			n.taken[strings.ToLower(name)]++
		}
		unique = strings.TrimSuffix(name, ext) + "-" + strconv.Itoa(n.taken[strings.ToLower(name)]) + ext
	}
}

// safeName turns a text into a file name: one segment that no file system reads as a path, a device
// or a hidden file.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(s, ". ")
	if strings.HasPrefix(s, ".") || isDevice(s) {
		s = "_" + s
	}
	if len(s) > maxEntryName {
		s = shorten(s)
	}
	if s == "" {
		s = "_"
	}
	return s
}

// isDevice reports whether Windows reads a name as a device, such as CON, NUL or COM1, whatever its
// extension is.
func isDevice(s string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(s), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}

// shorten keeps the end of a name, because the extension stands there, and only whole characters.
func shorten(s string) string {
	s = s[len(s)-maxEntryName+1:]
	for !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return "_" + s
}
