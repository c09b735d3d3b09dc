package jsonstream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func readBase64(r io.Reader) ([]byte, error) {
	s := NewScanner(r, Limits{})
	b, err := s.Base64()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(b)
	if err == nil {
		err = s.End()
	}
	return data, err
}

func TestBase64Decodes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 2, 3, 4, 5, 100, 49_150, 49_151, 49_152, 49_153, 100_000} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		encoded := base64.StdEncoding.EncodeToString(want)
		lines := func(sep string) string {
			var b strings.Builder
			for i := 0; i < len(encoded); i += 76 {
				b.WriteString(encoded[i:min(i+76, len(encoded))] + sep)
			}
			return b.String()
		}
		var unicode strings.Builder
		for _, c := range encoded {
			fmt.Fprintf(&unicode, `\u%04x`, c)
		}
		forms := map[string]string{
			"plain":                encoded,
			"lines":                lines(`\r\n`),
			"blanks":               " " + lines(" ") + " ",
			"all escaped":          unicode.String(),
			"slashes escaped":      strings.ReplaceAll(encoded, "/", `\/`),
			"equals signs escaped": strings.ReplaceAll(encoded, "=", `\u003d`),
			"pluses escaped":       strings.ReplaceAll(encoded, "+", `\u002B`),
		}
		for form, text := range forms {
			for name, reader := range readers {
				if name == "bytes" && size > 100 && form != "lines" {
					continue // slow, and no other path through the code
				}
				got, err := readBase64(reader(strings.NewReader(`"` + text + `"`)))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %s, %s: decoded %d bytes, %v", size, form, name, len(got), err)
				}
			}
		}
	}
}

func TestBase64SmallReads(t *testing.T) {
	want := []byte("the quick brown fox jumps")
	s := NewScanner(strings.NewReader(`"`+base64.StdEncoding.EncodeToString(want)+`"`), Limits{})
	b, err := s.Base64()
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(b, want); err != nil {
		t.Error(err)
	}
}

func TestBase64Refuses(t *testing.T) {
	long := strings.Repeat("AAAA", 50_000)
	tests := []struct {
		text  string
		fault Fault
	}{
		{
			`"A"`,
			BadBase64,
		},
		{`"AA"`, BadBase64},
		{`"AAA"`, BadBase64},
		{`"AA="`, BadBase64},
		{`"A==="`, BadBase64},
		{`"===="`, BadBase64},
		{`"="`, BadBase64},
		{`"AA=A"`, BadBase64},
		{`"AAA=AAAA"`, BadBase64},
		{`"AA==="`, BadBase64},
		{`"AA==AA=="`, BadBase64},
		{
			`"AA-_"`,
			BadBase64,
		},
		{`"AA.A"`, BadBase64},
		{`"AAé"`, BadBase64},
		{`"data:application/pdf;base64,AAAA"`, BadBase64},
		{`"AA\u0000A"`, BadBase64},
		{`"AA\u0141A"`, BadBase64},
		{
			`"` + long + `*AAA"`,
			BadBase64,
		},
		{`"` + long + `A"`, BadBase64},
		{`"` + long + "\n" + `AAAA"`, Malformed},
		{`"` + long + `\x"`, Malformed},
		{`"` + long, Truncated},
		{`"` + long + `AA`, Truncated},
		{`"` + long + `AA==`, Truncated},
	}
	for name, reader := range readers {
		for _, tt := range tests {
			_, err := readBase64(reader(strings.NewReader(tt.text)))
			var e *Error
			if !errors.As(err, &e) || e.Fault != tt.fault {
				t.Errorf("%s: %.40s: error = %v, want fault %d", name, tt.text, err, tt.fault)
			}
		}
	}
}

func FuzzBase64(f *testing.F) {
	f.Add("QUJD", 3)
	f.Add("QUI=\\n", 1)
	f.Add("QQ\\u003d=", 7)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		if piece < 1 || piece > 1<<16 {
			return
		}
		got, err := readBase64(iotest.OneByteReader(strings.NewReader(`"` + text + `"`)))
		s := NewScanner(strings.NewReader(`"`+text+`"`), Limits{})
		var again []byte
		b, err2 := s.Base64()
		p := make([]byte, piece)
		for err2 == nil {
			var n int
			n, err2 = b.Read(p)
			again = append(again, p[:n]...)
		}
		if err2 == io.EOF {
			err2 = s.End()
		}
		if faultOf(err) != faultOf(err2) || !bytes.Equal(got, again) {
			t.Fatalf("bytewise %q, %v; in pieces of %d %q, %v", got, err, piece, again, err2)
		}
		var value string
		if err != nil || json.Unmarshal([]byte(`"`+text+`"`), &value) != nil {
			return
		}
		want, werr := base64.StdEncoding.DecodeString(
			strings.NewReplacer(" ", "", "\t", "", "\n", "", "\r", "").Replace(value),
		)
		if werr != nil || !bytes.Equal(got, want) {
			t.Fatalf("decoded %q, want %q, %v", got, want, werr)
		}
	})
}

func BenchmarkBase64(b *testing.B) {
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		s := NewScanner(&endless{n: size, head: `"`, tail: `"`}, Limits{})
		if _, err := io.Copy(io.Discard, must(s.Base64())); err != nil {
			b.Fatal(err)
		}
	}
}
