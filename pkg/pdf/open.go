package pdf

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Document is a PDF file that is being read. It keeps small caches: it is not safe for concurrent
// use.
type Document struct {
	r         io.ReaderAt // from the header on
	size      int64       // of r
	base      int64       // bytes before the header, where the offsets in the file do not count them
	junk      int64       // bytes before the header
	startxref int64
	last      int64 // of the last startxref
	tail      int64 // behind its number
	header    Version
	headerOK  bool
	sections  []*section // newest first
	xrefBytes int64
	decoded   int64 // bytes decoded so far
	parsed    int64 // bytes of objects parsed so far
	crypt     *crypt
	encrypt   Ref // the /Encrypt dictionary, if it is an object of its own
	objects   objectCache
	streams   streamCache
	loading   map[int]bool // object streams being read, against loops

	lengthDepth int // lengths being read from object streams, against loops
}

// Open reads the cross-reference sections of a PDF of size bytes, and its encryption, for which it
// takes the user password to be empty. It looks at the end of the file first and reads no objects
// but /Encrypt. r is used as long as the Document is.
func Open(r io.ReaderAt, size int64) (*Document, error) {
	d := &Document{r: r, size: size, loading: map[int]bool{}}
	if err := d.readHeader(); err != nil {
		return nil, err
	}
	if err := d.findSections(); err != nil {
		return nil, err
	}
	if _, ok := d.Trailer().Get("Root").(Ref); !ok {
		return nil, damaged("its trailer names no catalog")
	}
	if err := d.readEncryption(); err != nil {
		return nil, err
	}
	return d, nil
}

// readHeader finds %PDF-, before which other bytes may stand.
func (d *Document) readHeader() error {
	head := make([]byte, min(headerWindow, d.size))
	if _, err := d.r.ReadAt(head, 0); err != nil && err != io.EOF {
		return readError(err)
	}
	i := bytes.Index(head, []byte("%PDF-"))
	if i < 0 {
		return signing.Errorf(signing.KindNotDocument, "the content is not a PDF: it has no %%PDF- header")
	}
	d.header, d.headerOK = parseVersion(string(head[i+5 : min(i+8, len(head))]))
	d.junk = int64(i)
	return nil
}

// findSections reads the cross-reference sections. Where bytes stand before the header, offsets
// count from the header (ISO 32000-2 7.5.1), or else from the first byte of the file: whichever
// leads to a cross-reference section.
func (d *Document) findSections() error {
	if d.junk == 0 {
		return d.readFromEnd()
	}
	file, size := d.r, d.size
	d.base = d.junk
	d.r, d.size = io.NewSectionReader(file, d.base, size-d.base), size-d.base
	err := d.readFromEnd()
	if signing.KindOf(err) != signing.KindDamaged || d.tail == 0 {
		return err
	}
	d.r, d.size, d.base, d.sections, d.xrefBytes = file, size, 0, nil, 0
	if asIs := d.readFromEnd(); signing.KindOf(asIs) != signing.KindDamaged {
		return asIs
	}
	const lost = "it has %d bytes before its header, and its offsets lead to no cross-reference section"
	return damaged(lost, d.junk).Because(err)
}

func (d *Document) readFromEnd() error {
	offset, err := d.findStart()
	if err != nil {
		return err
	}
	d.startxref = offset
	return d.readSections(offset)
}

// findStart returns the number behind the last startxref. White space and zeros at the end, which
// transfers add, are stepped over.
func (d *Document) findStart() (int64, error) {
	end, err := d.contentEnd()
	if err != nil {
		return 0, err
	}
	tail := make([]byte, min(trailerWindow, end))
	if _, err := d.r.ReadAt(tail, end-int64(len(tail))); err != nil && err != io.EOF {
		return 0, readError(err)
	}
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return 0, damaged("it has no startxref at its end; it may be cut off")
	}
	lex := newLexer(bytes.NewReader(tail[i+len("startxref"):]), 0, trailerWindow)
	t, err := lex.next()
	if err != nil {
		return 0, err
	}
	n, ok := Number(t.value).Int()
	if t.kind != tokenNumber || !ok {
		return 0, damaged("startxref is followed by no number")
	}
	d.last = end - int64(len(tail)) + int64(i)
	d.tail = d.last + int64(len("startxref")) + lex.offset()
	return n, nil
}

// contentEnd is where trailing white space and zeros begin.
func (d *Document) contentEnd() (int64, error) {
	end := d.size
	buf := make([]byte, trailerWindow)
	for end > 0 && d.size-end < maxPadding {
		chunk := buf[:min(int64(len(buf)), end)]
		if _, err := d.r.ReadAt(chunk, end-int64(len(chunk))); err != nil && err != io.EOF {
			return 0, readError(err)
		}
		for n := len(chunk); n > 0; n-- {
			if !isSpace(int(chunk[n-1])) {
				return end, nil
			}
			end--
		}
	}
	return end, nil
}

// Size is the size of the whole file in bytes.
func (d *Document) Size() int64 { return d.base + d.size }

// HeaderOffset is the number of bytes before %PDF-.
func (d *Document) HeaderOffset() int64 { return d.junk }

// Trailer is the newest trailer dictionary, or the dictionary of the newest cross-reference stream.
func (d *Document) Trailer() *Dict { return d.sections[0].trailer }

// Encrypted reports whether the file is encrypted; it was opened with an empty user password.
func (d *Document) Encrypted() bool { return d.crypt != nil }

// Revisions is the number of cross-reference sections; a linearised file has two from the start.
func (d *Document) Revisions() int { return len(d.sections) }

// Version is the newer of the header's and the catalog's version (ISO 32000-2 7.2.2). An unreadable
// header counts as 1.0.
func (d *Document) Version() (Version, error) {
	v := d.header
	if !d.headerOK {
		v = Version{1, 0}
	}
	catalog, _, err := d.Catalog()
	if err != nil {
		return v, err
	}
	name, err := d.Get(catalog.Get("Version"))
	if err != nil {
		return v, err
	}
	if n, ok := name.(Name); ok {
		if w, ok := parseVersion(string(n)); ok && v.Less(w) {
			v = w
		}
	}
	return v, nil
}
