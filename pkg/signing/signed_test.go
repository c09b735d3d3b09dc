package signing_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// TestSignedReadAt: ReadAt of a signed document returns the right bytes at every offset and length,
// also across the boundary of the original and the section.
func TestSignedReadAt(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		d := h.check(h.mustSubmit("a", "r1", "one document"), signing.StatusExecuted, "s")[0]
		f, err := h.OpenSigned(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || int64(len(all)) != d.SignedSize() || !strings.HasPrefix(string(all), "one document") {
			t.Fatalf("signed document = %q, %v", all, err)
		}
		for off := range all {
			for n := 1; n <= len(all)-off; n++ {
				p := make([]byte, n)
				got, err := f.ReadAt(p, int64(off))
				if got != n || err != nil && err != io.EOF || string(p) != string(all[off:off+n]) {
					t.Fatalf("ReadAt(%d bytes, %d) = %d, %v, %q", n, off, got, err, p)
				}
			}
		}
		if n, err := f.ReadAt(make([]byte, 10), f.Size()-3); n != 3 || err != io.EOF {
			t.Errorf("ReadAt over the end = %d, %v, want 3, EOF", n, err)
		}
	})
}

// alteringStore is a store whose disk has changed one byte of every original.
type alteringStore struct {
	signing.Store
	at *atomic.Int64 // of the byte; -1 = none
}

// OpenFile implements signing.Spool.
func (s alteringStore) OpenFile(ctx context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	f, err := s.Store.OpenFile(ctx, id, c)
	return alteredFile{f, s.at.Load()}, err
}

type alteredFile struct {
	signing.File
	at int64
}

// ReadAt implements io.ReaderAt.
func (f alteredFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.at >= off && f.at < off+int64(n) {
		p[f.at-off] ^= ' ' ^ '\t' // a blank stays a blank
	}
	return n, err
}

// TestSignedShapes: a signed document of every shape is delivered as its format made it, at any
// offset. A reader from beginning to end is told of every byte of the original that the disk
// changed, also of one that the document omits.
func TestSignedShapes(t *testing.T) {
	for _, shape := range formattest.Shapes {
		t.Run(shape.Name, func(t *testing.T) {
			var at atomic.Int64
			at.Store(-1)
			run(t, func(h *harness) {
				h.override = formattest.Fake{Shape: shape, Credential: &h.provider.credential}
				h.store = alteringStore{h.store, &at}
			}, func(t *testing.T, h *harness) {
				original := shape.Original([]byte("one document"))
				d := h.signedDocument(string(original))
				section, _, err := h.store.OpenSection(t.Context(), d.Ref)
				if err != nil {
					t.Fatal(err)
				}
				value, err := io.ReadAll(io.NewSectionReader(section, 0, section.Size()))
				if err != nil {
					t.Fatal(err)
				}
				want := shape.Joined(original, value)
				if got, err := h.readSigned(d); err != nil || string(got) != string(want) {
					t.Errorf("signed document = %q, %v, want %q", got, err, want)
				}
				if d.SignedSize() != int64(len(want)) {
					t.Errorf("SignedSize = %d, want %d", d.SignedSize(), len(want))
				}
				if shape.Name == "detached" {
					return // its reader gets no byte of the original
				}
				for i := range original {
					at.Store(int64(i))
					if got, err := h.readSigned(d); signing.KindOf(err) != signing.KindAltered || err == nil {
						t.Errorf("byte %d was changed: signed document = %q, %v, want %s", i, got, err, signing.KindAltered)
					}
				}
			})
		})
	}
}

// signedDocument signs a document and returns it.
func (h *harness) signedDocument(original string) signing.Document {
	h.t.Helper()
	id := h.mustSubmit("a", "r1", original)
	op := h.waitFor(id)
	docs, err := h.Documents(context.Background(), id, 0, 1)
	if err != nil || len(docs) != 1 || op.Status != signing.StatusExecuted {
		h.t.Fatalf("operation is %s, its documents are %+v, %v", op.Status, docs, err)
	}
	return docs[0]
}

// readSigned reads a signed document from the beginning to the end, a few bytes at a time.
func (h *harness) readSigned(d signing.Document) ([]byte, error) {
	f, err := h.OpenSigned(context.Background(), d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&all}, io.NewSectionReader(f, 0, f.Size()), make([]byte, 5))
	return all.Bytes(), err
}

// wrongPieces is a format whose list of pieces is wrong.
type wrongPieces struct {
	fakeFormat
	pieces signing.Pieces
}

// Embed implements signing.Format.
func (f wrongPieces) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	section, _, err := f.fakeFormat.Embed(ctx, in, p, value)
	return section, f.pieces, err
}

// TestWrongPieces: a document whose format returns a list of pieces that breaks a rule fails. It is
// never stored as signed.
func TestWrongPieces(t *testing.T) {
	for name, pieces := range map[string]signing.Pieces{
		"none":          nil,
		"another size":  signing.Appended(3, 4),
		"not the slash": {{To: 4}, {New: true, To: 1}, {From: 5, To: 12}},
	} {
		run(t, func(h *harness) {
			h.override = wrongPieces{h.format, pieces}
		}, func(t *testing.T, h *harness) {
			docs := h.check(h.mustSubmit("a", "r1", "one document"), signing.StatusFailed, "f")
			if got := docs[0].Failure.Kind; got != signing.KindInternal {
				t.Errorf("%s: failure is of kind %q, want %q", name, got, signing.KindInternal)
			}
		})
	}
}
