package jsonstream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestWriter(t *testing.T) {
	var out strings.Builder
	w := NewWriter(&out)
	w.Object(func() {
		w.Number("id", 1<<53)
		w.Member("text", "a\"b\\c/\n\r\t\x01\x1fé😀\u2028<>&")
		w.Name("none")
		w.Array(func() {})
		w.Name("list")
		w.Array(func() {
			w.Int(-1)
			w.Object(func() {})
			w.Object(func() { w.Member("a", ""); w.Member("b", "") })
			w.String("x")
		})
		w.Name("content")
		if n, err := w.Base64(strings.NewReader("hello world")); n != 11 || err != nil {
			t.Errorf("Base64 = %d, %v, want 11, nil", n, err)
		}
		w.Member("after", "y")
	})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `{"id":9007199254740992,"text":"a\"b\\c/\n\r\t\u0001\u001Fé😀` + "\u2028" + `<>&","none":[],"list":[-1,{},{"a":"","b":""},"x"],"content":"aGVsbG8gd29ybGQ=","after":"y"}`
	if out.String() != want {
		t.Errorf("wrote %s\nwant  %s", out.String(), want)
	}
}

func TestWriterStrings(t *testing.T) {
	for _, s := range []string{
		"", "plain", "\x00\x1f\x7f", "\"\\/", "a\xffb\xC3", "é", "\xED\xA0\x80", strings.Repeat("long \u20ac", 10_000),
	} {
		var out bytes.Buffer
		w := NewWriter(&out)
		w.String(s)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil ||
			got != strings.ToValidUTF8(s, "\uFFFD") && !strings.Contains(got, "\uFFFD\uFFFD") {
			t.Errorf("String(%.40q) reads back as %.40q, %v", s, got, err)
		}
	}
}

func TestWriterBase64OfAnySize(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, base64Piece - 1, base64Piece, base64Piece + 1, 5*base64Piece + 2} {
		data := bytes.Repeat([]byte{0xfb, 0xff, 0x01}, size/3+1)[:size]
		var out bytes.Buffer
		w := NewWriter(&out)
		n, err := w.Base64(iotest.HalfReader(bytes.NewReader(data)))
		if err := errors.Join(err, w.Flush()); err != nil || n != int64(size) {
			t.Fatalf("Base64 of %d bytes = %d, %v", size, n, err)
		}
		if want := `"` + base64.StdEncoding.EncodeToString(data) + `"`; out.String() != want {
			t.Errorf("Base64 of %d bytes wrote %d characters, want %d and equal", size, out.Len(), len(want))
		}
	}
}

func TestWriterErrors(t *testing.T) {
	w := NewWriter(io.Discard)
	cut := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := w.Base64(cut); err != io.ErrUnexpectedEOF {
		t.Errorf("Base64 of a reader that ends unexpectedly = %v, want its error", err)
	}
	broken := errors.New("connection reset")
	w = NewWriter(failing{broken})
	for range 10_000 {
		w.String("0123456789")
	}
	if err := w.Flush(); err != broken {
		t.Errorf("Flush = %v, want the writer's error", err)
	}
	n, err := w.Base64(strings.NewReader("abc"))
	if n != 0 || err != nil || w.Err() != broken {
		t.Errorf("Base64 after an error = %d, %v, Err %v, want nothing read", n, err, w.Err())
	}
	if cap(w.buf) > 64<<10 {
		t.Errorf("the buffer grew to %d bytes", cap(w.buf))
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func BenchmarkWriterBase64(b *testing.B) {
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		if _, err := NewWriter(io.Discard).Base64(io.LimitReader(zeros{}, size)); err != nil {
			b.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
