package pdf

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Document is an open PDF file. It keeps small caches, so it is not safe for concurrent use.
//
// Document itself only combines its parts. README.md says which state each part may touch.
type Document struct {
	resolver // reads objects: Get, Object, Dict, Array, DictAt, ArrayAt, Name, Int, Rectangle
	src      *source
	xref     *xref
	header   header
	end      fileEnd
}

// header is what the first bytes of a file say.
type header struct {
	offset  int64 // bytes before %PDF-
	version Version
	valid   bool // the version is readable
}

// Open reads the cross-reference sections of a PDF of size bytes, and its encryption dictionary. It
// assumes that the user password is empty. It reads the end of the file first, and no objects
// except /Encrypt. The Document uses r as long as it lives.
//
// Errors are KindNotDocument, KindDamaged, KindTooComplex, KindUnsupported, KindEncrypted if the
// file needs a password, and KindStorage if r fails.
func Open(r io.ReaderAt, size int64) (*Document, error) {
	whole := &source{r: r, size: size}
	h, err := readHeader(whole)
	if err != nil {
		return nil, err
	}
	d, err := readSections(whole, h)
	if err != nil {
		return nil, err
	}
	if _, ok := d.Trailer().Get("Root").(Ref); !ok {
		return nil, damaged("its trailer does not name a catalog")
	}
	security := &securityReader{resolver: d.resolver, trailer: d.Trailer()}
	c, err := security.read()
	if err != nil {
		return nil, err
	}
	d.loader.protect(c)
	return d, nil
}

func newDocument(src *source, h header) *Document {
	x := &xref{src: src}
	return &Document{resolver: resolver{newLoader(src, x)}, src: src, xref: x, header: h}
}

// readHeader finds %PDF-. Other bytes may stand before it.
func readHeader(src *source) (header, error) {
	head := make([]byte, min(headerWindow+int64(len("%PDF-1.7")), src.size))
	if _, err := src.read(head, 0); err != nil {
		return header{}, err
	}
	i := bytes.Index(head, []byte("%PDF-"))
	if i < 0 || i > headerWindow {
		return header{}, signing.Errorf(signing.KindNotDocument, "the content is not a PDF: it has no %%PDF- header")
	}
	h := header{offset: int64(i)}
	h.version, h.valid = parseVersion(string(head[i+5 : min(i+8, len(head))]))
	return h, nil
}

// readSections reads the cross-reference sections. If bytes stand before the header, offsets count
// from the header (ISO 32000-2 7.5.1) or from the first byte of the file. It takes the way of
// counting that leads to a cross-reference section, and tries the header first.
func readSections(whole *source, h header) (*Document, error) {
	if h.offset == 0 {
		d := newDocument(whole, h)
		return d, readFromEnd(d)
	}
	d := newDocument(whole.from(h.offset), h)
	err := readFromEnd(d)
	if signing.KindOf(err) != signing.KindDamaged || d.end.behind == 0 {
		return d, err
	}
	d = newDocument(whole, h)
	if asIs := readFromEnd(d); signing.KindOf(asIs) != signing.KindDamaged {
		return d, asIs
	}
	const lost = "it has %d bytes before its header, and its offsets do not lead to a cross-reference section"
	return nil, damaged(lost, h.offset).Because(err)
}

// readFromEnd reads the end of the file and the cross-reference sections that it leads to.
func readFromEnd(d *Document) (err error) {
	if d.end, err = d.src.findEnd(); err != nil {
		return err
	}
	x := &xrefReader{src: d.src, xref: d.xref, decoder: &d.loader.decoder}
	return x.read(d.end.startxref)
}

// Size is the size of the whole file in bytes.
func (d *Document) Size() int64 { return d.src.base + d.src.size }

// Trailer is the newest trailer dictionary, or the dictionary of the newest cross-reference stream.
func (d *Document) Trailer() *Dict { return d.xref.newest().trailer }

// Renew resets the budget of parsed bytes. It is for callers that do several pieces of work with
// one document, one after the other.
func (d *Document) Renew() { d.loader.budget.used = 0 }

// Permissions returns the user's permission bits (ISO 32000-2 table 22). All bits are set if the
// file is not encrypted.
func (d *Document) Permissions() uint32 {
	if d.loader.crypt == nil {
		return ^uint32(0)
	}
	return d.loader.crypt.permissions
}

// Data returns a reader of the decoded data of a stream that this Document read. Decoded bytes
// count against a budget for the whole document. The error is KindUnsupported for filters that only
// image decoders know.
func (d *Document) Data(s *Stream) (io.Reader, error) { return d.loader.decoder.data(s) }

// Catalog returns the document catalog and its reference.
func (d *Document) Catalog() (*Dict, Ref, error) {
	ref, ok := d.Trailer().Get("Root").(Ref)
	if !ok {
		return nil, Ref{}, damaged("its trailer does not name a catalog")
	}
	catalog, err := d.Dict(ref)
	if err != nil {
		return nil, Ref{}, err
	}
	if catalog == nil {
		return nil, Ref{}, damaged("its catalog is missing")
	}
	return catalog, ref, nil
}

// Version is the newer one of the versions in the header and in the catalog (ISO 32000-2 7.2.2). An
// unreadable header counts as 1.0.
func (d *Document) Version() (Version, error) {
	v := d.header.version
	if !d.header.valid {
		v = Version{1, 0}
	}
	catalog, _, err := d.Catalog()
	if err != nil {
		return v, err
	}
	name, err := d.Name(catalog.Get("Version"))
	if err != nil {
		return v, err
	}
	if w, ok := parseVersion(string(name)); ok && v.Less(w) {
		v = w
	}
	return v, nil
}
