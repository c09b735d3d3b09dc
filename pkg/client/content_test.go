package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
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
	fail     error
}

func (m *memory) Begin() error { m.begun++; m.contents = nil; return m.fail }

func (m *memory) Create(i int) (io.WriteCloser, error) {
	if i != len(m.contents) {
		return nil, fmt.Errorf("content %d comes after %d", i, len(m.contents))
	}
	m.contents = append(m.contents, new(bytes.Buffer))
	return nopCloser{m.contents[i]}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestSplitterDiverts(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), 20_001)
	tests := []struct {
		name     string
		in       string
		want     string
		contents []string
	}{
		{"none", `{"a":"b","n":[1,null]}`, `{"a":"b","n":[1,null]}`, nil},
		{"one", `{"signedContent":"aGk="}`, `{"signedContent":"0"}`, []string{"hi"}},
		{"blanks", "{\"signedContent\" \n:\t\"aGk=\" }", "{\"signedContent\" \n:\t\"0\" }", []string{"hi"}},
		{"two", `[{"signedContent":"aGk="},{"x":1,"signedContent":"aG8="}]`, `[{"signedContent":"0"},{"x":1,"signedContent":"1"}]`, []string{"hi", "ho"}},
		{"null", `{"signedContent":null,"a":"signedContent"}`, `{"signedContent":null,"a":"signedContent"}`, nil},
		{"value of that name", `{"a":"signedContent","b":"aGk="}`, `{"a":"signedContent","b":"aGk="}`, nil},
		{"longer key", `{"signedContents":"aGk="}`, `{"signedContents":"aGk="}`, nil},
		{"escaped quote before", `{"a":"\"signedContent\":\"","signedContent":"aGk="}`, `{"a":"\"signedContent\":\"","signedContent":"0"}`, []string{"hi"}},
		{"escapes inside", `{"signedContent":"\u0061Gk="}`, `{"signedContent":"0"}`, []string{"hi"}},
		{"escaped slash", `{"signedContent":"\/\/\/\/"}`, `{"signedContent":"0"}`, []string{"\xff\xff\xff"}},
		{"empty", `{"signedContent":""}`, `{"signedContent":"0"}`, []string{""}},
		{"large", `{"signedContent":"` + base64.StdEncoding.EncodeToString(big) + `"}`, `{"signedContent":"0"}`, []string{string(big)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var sink memory
			got, err := io.ReadAll(newSplitter(iotest.HalfReader(strings.NewReader(tt.in)), &sink))
			if err != nil || string(got) != tt.want {
				t.Fatalf("splitter gave %.100q, %v, want %.100q", got, err, tt.want)
			}
			if len(sink.contents) != len(tt.contents) {
				t.Fatalf("sink got %d contents, want %d", len(sink.contents), len(tt.contents))
			}
			for i, want := range tt.contents {
				if got := sink.contents[i].String(); got != want {
					t.Errorf("content %d = %.50q, want %.50q", i, got, want)
				}
			}
		})
	}
}

func TestSplitterRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"cut off":           `{"signedContent":"aGk`,
		"cut in an escape":  `{"signedContent":"\u00`,
		"not base64":        `{"signedContent":"a-_="}`,
		"escaped line end":  `{"signedContent":"aGk=\n"}`,
		"non-ASCII escape":  `{"signedContent":"\u20ac"}`,
		"padding inside":    `{"signedContent":"` + strings.Repeat("aGk=", 8192) + "aGk=" + `"}`,
		"no padding":        `{"signedContent":"aGk"}`,
		"trailing bits set": `{"signedContent":"aGl="}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := io.ReadAll(newSplitter(strings.NewReader(in), &memory{})); err == nil {
				t.Errorf("splitter took %.40q, want a fault", in)
			}
		})
	}
}

// TestSplitterCutOffIsTemporary: an answer that breaks off is asked for again, one that is wrong is not.
func TestSplitterCutOffIsTemporary(t *testing.T) {
	_, err := io.ReadAll(newSplitter(strings.NewReader(`{"signedContent":"aGk`), &memory{}))
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(permanentError)) {
		t.Errorf("cut off: %v, want unexpected EOF and nothing permanent", err)
	}
	_, err = io.ReadAll(newSplitter(strings.NewReader(`{"signedContent":"a-_="}`), &memory{}))
	if !errors.As(err, new(permanentError)) {
		t.Errorf("not base64: %v, want a permanent error", err)
	}
}

func TestSplitterBoundsText(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`{"a":"`), iotest.DataErrReader(zeros{}))
	n, err := io.Copy(io.Discard, newSplitter(endless, &memory{}))
	if err == nil || n > maxAnswerText {
		t.Errorf("splitter passed %d bytes on and ended with %v, want an end at %d", n, err, maxAnswerText)
	}
}

// zeros is an endless run of the digit 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte(`{"documentList":[{"signedContent":"aGk=","name":"a\"b"}]}`))
	f.Add([]byte(`{"signedContent":"\u0061\/"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var sink memory
		got, err := io.ReadAll(newSplitter(bytes.NewReader(in), &sink))
		if err != nil {
			return
		}
		// What is JSON before is JSON after, and no content was lost on the way.
		if json.Valid(in) && !json.Valid(got) {
			t.Errorf("splitter made %q of %q", got, in)
		}
		if n := bytes.Count(in, []byte(`"signedContent"`)); len(sink.contents) > n {
			t.Errorf("%d contents came from %d keys", len(sink.contents), n)
		}
	})
}
