package client

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// memory is a Sink that keeps what it gets.
type memory struct {
	begun    int
	contents []*bytes.Buffer
}

func (m *memory) Begin() error { m.begun++; m.contents = nil; return nil }

func (m *memory) Create(i int) (io.WriteCloser, error) {
	if i != len(m.contents) {
		return nil, fmt.Errorf("content %d comes after %d", i, len(m.contents))
	}
	m.contents = append(m.contents, new(bytes.Buffer))
	return nopCloser{m.contents[i]}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// room is more than any answer of these tests needs.
var room = bounds{documents: 100, bytes: 1 << 30}

// TestReadOperationBounds gives answers that are as large as they may be, and larger ones.
func TestReadOperationBounds(t *testing.T) {
	in := `{"documentList":[{"signedContent":"aGk="},{"signedContent":"aGk="},{"name":"c"}]}`
	for _, tt := range []struct {
		bounds bounds
		fits   bool
	}{{bounds{3, 4}, true}, {bounds{2, 4}, false}, {bounds{3, 3}, false}, {bounds{3, 0}, false}} {
		err := readOperation(strings.NewReader(in), &memory{}, tt.bounds, new(Operation))
		if fits := err == nil; fits != tt.fits ||
			!fits && (!errors.Is(err, ErrTooMuch) || !errors.As(err, new(permanentError))) {
			t.Errorf("readOperation within %+v = %v, want it to fit: %v", tt.bounds, err, tt.fits)
		}
	}
}

func TestReadOperation(t *testing.T) {
	big := strings.Repeat("0123456789", 20_001)
	in := `{"documentList":[{"signedContent":"aGk=","name":"a"},{"name":"b","signedContent":null},` +
		`{"new":{"x":[1]},"name":"c","signedContent":"` +
		base64.StdEncoding.EncodeToString(
			[]byte(big),
		) + `"},{"name":"d","signedContent":"\u0061G8="}],"id":9007199254740991,"status":"EXECUTED","folder":{"id":1}}`
	var sink memory
	var op Operation
	if err := readOperation(iotest.HalfReader(strings.NewReader(in)), &sink, room, &op); err != nil {
		t.Fatal(err)
	}
	if op.ID != 1<<53-1 || op.Status != StatusExecuted || len(op.Documents) != 4 {
		t.Errorf("operation is %+v", op)
	}
	for i, want := range []struct {
		name    string
		content int
	}{{"a", 0}, {"b", -1}, {"c", 1}, {"d", 2}} {
		if d := op.Documents[i]; d.Name != want.name || d.Content != want.content {
			t.Errorf("document %d is %s with content %d, want %s with %d", i, d.Name, d.Content, want.name, want.content)
		}
	}
	for i, want := range []string{"hi", big, "ho"} {
		if got := sink.contents[i].String(); got != want {
			t.Errorf("content %d = %.50q, want %.50q", i, got, want)
		}
	}
}

func TestReadOperationWithoutSink(t *testing.T) {
	var op Operation
	err := readOperation(strings.NewReader(`{"documentList":[{"name":"a","signedContent":"aGk="}]}`), nil, room, &op)
	if err != nil || len(op.Documents) != 1 || op.Documents[0].Name != "a" {
		t.Errorf("readOperation = %+v, %v", op, err)
	}
}

// TestReadOperationFaults: an answer that breaks off is asked for again, one that is wrong, or a
// disk that is full, is not.
func TestReadOperationFaults(t *testing.T) {
	tests := map[string]struct {
		in        string
		permanent bool
	}{
		"empty":          {"", false},
		"cut in content": {`{"documentList":[{"signedContent":"aGk`, false},
		"cut at the end": {`{"documentList":[]`, false},
		"not base64":     {`{"documentList":[{"signedContent":"a-_="}]}`, true},
		"not JSON":       {`<html>`, true},
		"wrong type":     {`{"id":"seven"}`, true},
		"document type":  {`{"documentList":[7]}`, true},
		"long member":    {`{"a":"` + strings.Repeat("x", maxMember) + `"}`, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := readOperation(strings.NewReader(tt.in), &memory{}, room, new(Operation))
			if err == nil || errors.As(err, new(permanentError)) != tt.permanent {
				t.Errorf("readOperation = %v, want a fault, permanent %v", err, tt.permanent)
			}
		})
	}
}

func TestReadOperationFullDisk(t *testing.T) {
	full := errors.New("no space left on device")
	in := `{"documentList":[{"signedContent":"aGk="}]}`
	for _, sink := range []Sink{brokenSink{create: full}, brokenSink{write: full}, brokenSink{shut: full}} {
		err := readOperation(strings.NewReader(in), sink, room, new(Operation))
		if !errors.Is(err, full) || !errors.As(err, new(permanentError)) {
			t.Errorf("readOperation = %v, want %v, permanent", err, full)
		}
	}
}

// brokenSink fails where it is told to.
type brokenSink struct{ create, write, shut error }

func (s brokenSink) Begin() error                       { return nil }
func (s brokenSink) Create(int) (io.WriteCloser, error) { return s, s.create }
func (s brokenSink) Write(p []byte) (int, error)        { return len(p), s.write }
func (s brokenSink) Close() error                       { return s.shut }

// zeros is an endless run of the digit 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
