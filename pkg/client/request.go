package client

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Request is a sign request.
type Request struct {
	// Reference is the caller's name for the operation. The proxy refuses a second request with the
	// same name (409).
	Reference   string
	Description string
	// Key is the Idempotency-Key. With it a repeated request returns the first operation. Without it
	// the client repeats no request whose outcome is unknown.
	Key string
	// Signature says how the documents are signed that do not say it themselves.
	Signature SignatureInfo
	Documents []Document
}

// SignatureInfo says how to sign. Empty fields are left out of the request. The proxy refuses a
// request with a field that does not fit the type.
type SignatureInfo struct {
	Type           string          `json:"signatureType"` // PAdES, XAdES or CAdES
	Level          string          `json:"level,omitempty"`
	Reason         string          `json:"reason,omitempty"`
	Location       string          `json:"location,omitempty"`
	ApplyTimestamp bool            `json:"applyTimestamp,omitempty"`
	Visible        json.RawMessage `json:"visibleSignatureInfo,omitempty"`  // PAdES; as the API documents it
	Profile        string          `json:"profile,omitempty"`               // XAdES
	Advanced       *Advanced       `json:"advancedSignatureInfo,omitempty"` // XAdES
	Packaging      string          `json:"packaging,omitempty"`             // CAdES: ENVELOPING or DETACHED
	Existing       string          `json:"existing,omitempty"`              // CAdES: WRAP or COSIGN
}

// Advanced says where and over what a XAdES signature is made. Empty fields are left out of the
// request.
type Advanced struct {
	SignatureLocation  string `json:"signatureLocation,omitempty"`
	SignatureTransform string `json:"signatureTransform,omitempty"` // ENVELOPED, XPATH or XPATH2_FILTER
	CanonicalTransform string `json:"canonicalTransform,omitempty"` // EXCLUSIVE or EXCLUSIVE_WITH_COMMENTS
}

// Document is one document to be signed.
type Document struct {
	Reference   string // the caller's name for the document
	Name        string
	ContentType string
	Size        int64 // in bytes, of the content that Open returns
	// Signature says how this document is signed; nil means as Request.Signature says.
	Signature *SignatureInfo
	// Open returns the content from its beginning. It is called again if the request is repeated.
	Open func() (io.ReadCloser, error)
}

// errChanged is the error of a document with more or fewer bytes than its Size.
var errChanged = errors.New("the size of the document changed while it was read")

// segment is a part of the body: fixed text, or a document in base64.
type segment struct {
	text     []byte
	document *Document
}

// segments returns the JSON of r as fixed texts with the documents between them.
func (r *Request) segments(content bool) ([]segment, error) {
	head, err := json.Marshal(map[string]any{
		"externalReference": r.Reference, "description": r.Description, "returnSignedContent": content,
	})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	text := append(head[:len(head)-1], `,"documents":[`...)
	var segs []segment
	for i := range r.Documents {
		d := &r.Documents[i]
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = r.appendFields(text, d); err != nil {
			return nil, err
		}
		segs = append(segs, segment{text: text}, segment{document: d})
		text = []byte(`"}}`)
	}
	return append(segs, segment{text: append(text, `]}`...)}), nil
}

// appendFields appends the JSON of a document up to its content.
func (r *Request) appendFields(text []byte, d *Document) ([]byte, error) {
	signature, err := json.Marshal(cmp.Or(d.Signature, &r.Signature))
	if err != nil {
		return nil, fmt.Errorf("encode signature information of %s: %w", d.Name, err)
	}
	fields, err := json.Marshal(map[string]string{
		"externalReference": d.Reference, "name": d.Name, "contentType": d.ContentType,
	})
	if err != nil {
		return nil, fmt.Errorf("encode document %s: %w", d.Name, err)
	}
	text = append(text, `{"signatureInfo":`...)
	text = append(text, signature...)
	text = append(text, `,"documentRequest":`...)
	text = append(text, fields[:len(fields)-1]...)
	return append(text, `,"base64Content":"`...), nil
}

// length returns the size of the body in bytes.
func length(segs []segment) int64 {
	var n int64
	for _, s := range segs {
		n += int64(len(s.text))
		if s.document != nil {
			n += (s.document.Size + 2) / 3 * 4
		}
	}
	return n
}

// body reads segments one after the other. It has at most one document open at a time.
type body struct {
	segs []segment
	cur  io.Reader
	file io.Closer
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for {
		if b.cur == nil {
			if len(b.segs) == 0 {
				return 0, io.EOF
			}
			if err := b.next(); err != nil {
				return 0, err
			}
		}
		n, err := b.cur.Read(p)
		if errors.Is(err, io.EOF) {
			b.cur = nil
			err = b.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (b *body) next() error {
	s := b.segs[0]
	b.segs = b.segs[1:]
	if s.document == nil {
		b.cur = &textReader{s.text}
		return nil
	}
	file, err := s.document.Open()
	if err != nil {
		return fmt.Errorf("open %s: %w", s.document.Name, err)
	}
	b.file = file
	b.cur = &encoder{from: file, name: s.document.Name, left: s.document.Size}
	return nil
}

// Close closes the document that is open, if any.
func (b *body) Close() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}

// textReader reads bytes.
type textReader struct{ text []byte }

func (r *textReader) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

// encoder reads a document of left bytes as base64.
type encoder struct {
	from io.Reader
	name string
	left int64
	raw  [24 << 10]byte // a multiple of three, so that padding comes at the end only
	out  [32 << 10]byte
	have []byte // encoded, not read yet
}

func (e *encoder) Read(p []byte) (int, error) {
	if len(e.have) == 0 {
		if err := e.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, e.have)
	e.have = e.have[n:]
	return n, nil
}

func (e *encoder) fill() error {
	if e.left == 0 {
		if n, _ := e.from.Read(e.raw[:1]); n > 0 {
			return fmt.Errorf("read %s: %w", e.name, errChanged)
		}
		return io.EOF
	}
	want := min(int64(len(e.raw)), e.left)
	n, err := io.ReadFull(e.from, e.raw[:want])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errChanged
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", e.name, err)
	}
	e.left -= int64(n)
	base64.StdEncoding.Encode(e.out[:], e.raw[:n])
	e.have = e.out[:base64.StdEncoding.EncodedLen(n)]
	return nil
}
