package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
)

// Sink receives the signed contents of an answer. Begin is called before the first content. It is
// called again if the answer broke off and is read again; the contents before are then void. Create
// is called for each content in the order of the answer, with i counting from 0.
type Sink interface {
	Begin() error
	Create(i int) (io.WriteCloser, error)
}

// Bounds of the parts of an answer that are not signed content. They have room for about 60,000
// documents of 1 KB.
const (
	maxAnswerText = 64 << 20
	maxMember     = 1 << 20
	// maxDocuments is above the number of documents that a request can have.
	maxDocuments = 100_000
)

// bounds limits the signed content of an answer, so that a server cannot fill the caller's disk or
// memory.
type bounds struct {
	documents int   // of one answer
	bytes     int64 // of all signed contents of one answer
}

// Largest size of a signed document: growthFactor times the original plus growth bytes.
// Certificates, revocation lists and a picture take at most growth bytes, and no format doubles a
// document: PAdES appends an update, XAdES inserts an element, CAdES adds a header and a trailer.
const (
	growthFactor = 2
	growth       = 64 << 20
)

// boundsOf returns the bounds for the answer to r.
func boundsOf(r *Request) bounds {
	b := bounds{documents: len(r.Documents)}
	for i := range r.Documents {
		b.bytes += growthFactor*r.Documents[i].Size + growth
	}
	return b
}

// ErrTooMuch is the error of an answer with more documents or more signed content than the bounds
// allow.
var ErrTooMuch = errors.New("the answer is larger than expected")

// operationReader reads an Operation. It writes signed contents to sink and decodes the rest, which
// is small, with encoding/json.
type operationReader struct {
	scan     *jsonstream.Scanner
	sink     Sink // nil: contents are skipped
	left     bounds
	contents int // so far
}

// readOperation reads an answer within the bounds b into op.
func readOperation(body io.Reader, sink Sink, b bounds, op *Operation) error {
	if sink != nil {
		if err := sink.Begin(); err != nil {
			return permanentError{err}
		}
	}
	r := operationReader{
		scan: jsonstream.NewScanner(body, jsonstream.Limits{TextBytes: maxAnswerText}),
		sink: sink,
		left: b,
	}
	*op = Operation{}
	var documents []SignedDocument
	err := r.object(op, "documentList", func() error {
		return r.scan.Array(func(i int) error {
			if i >= b.documents {
				return permanentError{fmt.Errorf("%w: more than %d documents", ErrTooMuch, b.documents)}
			}
			d := SignedDocument{Content: -1}
			err := r.object(&d, "signedContent", func() (err error) {
				d.Content, err = r.content()
				return err
			})
			documents = append(documents, d)
			return err
		})
	})
	op.Documents = documents
	return answerError(err)
}

// object reads an object into v, except the member special, which read consumes.
func (r *operationReader) object(v any, special string, read func() error) error {
	members := map[string]json.RawMessage{}
	err := r.scan.Object(func(name string) error {
		if name == special {
			return read()
		}
		raw, err := r.scan.Raw(maxMember)
		members[name] = json.RawMessage(raw)
		return err
	})
	if err != nil {
		return err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return permanentError{err}
	}
	if err := json.Unmarshal(text, v); err != nil {
		return permanentError{err}
	}
	return nil
}

// content decodes one signed content into the sink and returns its number.
func (r *operationReader) content() (int, error) {
	from, err := r.scan.Base64()
	if err != nil {
		return -1, err
	}
	number := r.contents
	r.contents++
	if r.sink == nil {
		return number, from.Close()
	}
	to, err := r.sink.Create(number)
	if err != nil {
		return -1, permanentError{err}
	}
	guarded := &guardedWriter{to: to}
	n, err := io.Copy(guarded, io.LimitReader(from, r.left.bytes+1))
	if r.left.bytes -= n; r.left.bytes < 0 && err == nil {
		err = permanentError{fmt.Errorf("%w: too many bytes of signed content", ErrTooMuch)}
	}
	if cerr := to.Close(); err == nil && cerr != nil {
		err = permanentError{cerr}
	}
	if guarded.err != nil {
		err = permanentError{fmt.Errorf("write signed content: %w", guarded.err)}
	}
	return number, err
}

// guardedWriter records an error of the writer, to distinguish it from an error of the reader.
type guardedWriter struct {
	to  io.Writer
	err error
}

func (w *guardedWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// answerError wraps an error in an answer. The error is permanent unless the answer broke off,
// because only then another try may help.
func answerError(err error) error {
	if err == nil {
		return nil
	}
	var fault *jsonstream.Error
	if errors.As(err, &fault) && fault.Fault != jsonstream.Truncated {
		return permanentError{fmt.Errorf("read answer: %w", err)}
	}
	return fmt.Errorf("read answer: %w", err)
}
