package jsonstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// readers gives a text in pieces of several sizes: every token meets every boundary.
var readers = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r },
	"bytes": iotest.OneByteReader,
	"data with the error": func(r io.Reader) io.Reader {
		return iotest.DataErrReader(r)
	},
}

// decode reads any value into what encoding/json makes of it, but for numbers, which become
// json.Number.
func decode(s *Scanner) (any, error) {
	c, err := s.peek()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{':
		m := map[string]any{}
		return m, s.Object(func(name string) (err error) {
			m[name], err = decode(s)
			return err
		})
	case '[':
		a := []any{}
		return a, s.Array(func(int) error {
			v, err := decode(s)
			a = append(a, v)
			return err
		})
	case '"':
		return s.String(1 << 20)
	case 't', 'f':
		return s.Bool()
	case 'n':
		return nil, s.Skip()
	}
	n, err := s.Raw(1 << 10)
	return json.Number(n), err
}

func decodeAll(r io.Reader) (any, error) {
	s := NewScanner(r, Limits{})
	v, err := decode(s)
	if err == nil {
		err = s.End()
	}
	return v, err
}

// dropNulls removes members that are null from a decoded value, as Object does.
func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
	return v
}

var validTexts = []string{
	`{}`,
	`[]`,
	` { "a" : [ 1 , -2.5e+10 , 0 , 0.1E-2, true , false , null , "x" ] } `,
	`{"a":{"b":{"c":[[],[{}]]}}}`,
	"\t\r\n[ ]\n",
	`"text"`,
	`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`,
	`"é😀"`,
	`12`,
	`-0`,
	`true`,
	`null`,
	`{"":1,"a\u0062":2}`,
	"\xEF\xBB\xBF{\"bom\":true}",
	`{"long":"` + strings.Repeat("0123456789", 20_000) + `"}`,
	`["` + strings.Repeat(`\\\"x`, 30_000) + `"]`,
}

func TestScannerReadsJSON(t *testing.T) {
	for name, reader := range readers {
		for _, text := range validTexts {
			t.Run(name+"/"+text[:min(len(text), 30)], func(t *testing.T) {
				dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "\xEF\xBB\xBF")))
				dec.UseNumber()
				var want any
				if err := dec.Decode(&want); err != nil {
					t.Fatal(err)
				}
				got, err := decodeAll(reader(strings.NewReader(text)))
				if err != nil {
					t.Fatalf("decode: %v", err)
				}
				if !reflect.DeepEqual(got, dropNulls(want)) {
					t.Errorf("decode = %.200v, want %.200v", got, want)
				}
				s := NewScanner(reader(strings.NewReader(text)), Limits{})
				if err := errors.Join(s.Skip(), s.End()); err != nil {
					t.Errorf("Skip: %v", err)
				}
			})
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	tests := []struct {
		text  string
		fault Fault
		path  string
	}{
		{
			``,
			Truncated,
			"",
		},
		{`{`, Truncated, ""},
		{`{"a"`, Truncated, "a"},
		{`{"a":`, Truncated, "a"},
		{`["x`, Truncated, "[0]"},
		{
			`["\`,
			Truncated,
			"[0]",
		},
		{`["\u00`, Truncated, "[0]"},
		{`[tru`, Truncated, "[0]"},
		{`[1,`, Truncated, ""},
		{`-`, Truncated, ""},
		{`{"a":{"b":[1,{"c":x}]}}`, Malformed, "a.b[1].c"},
		{
			`{"a":1 "b":2}`,
			Malformed,
			"",
		},
		{`{"a" 1}`, Malformed, "a"},
		{`{a:1}`, Malformed, ""},
		{`{"a":1,}`, Malformed, ""},
		{`[1,]`, Malformed, ""},
		{
			`[,1]`,
			Malformed,
			"[0]",
		},
		{`{,}`, Malformed, ""},
		{`[1 2]`, Malformed, ""},
		{`01`, Malformed, ""},
		{`1.`, Malformed, ""},
		{`[1.]`, Malformed, "[0]"},
		{
			`[1e]`,
			Malformed,
			"[0]",
		},
		{`[+1]`, Malformed, "[0]"},
		{`[.5]`, Malformed, "[0]"},
		{`[--1]`, Malformed, "[0]"},
		{`[NaN]`, Malformed, "[0]"},
		{
			`nul`,
			Truncated,
			"",
		},
		{`nulx`, Malformed, ""},
		{`tru e`, Malformed, ""},
		{`'a'`, Malformed, ""},
		{`// x`, Malformed, ""},
		{`PK`, Malformed, ""},
		{`{} {}`, Malformed, ""},
		{`{}x`, Malformed, ""},
		{"\xEF\xBBx", Malformed, ""},
		{
			`["\x"]`,
			Malformed,
			"[0]",
		},
		{`["\u12G4"]`, Malformed, "[0]"},
		{`["\u-123"]`, Malformed, "[0]"},
		{"[\"a\nb\"]", Malformed, "[0]"},
		{"[\"\x00\"]", Malformed, "[0]"},
		{
			`["\uD800"]`,
			Malformed,
			"[0]",
		},
		{`["\uD800\u0041"]`, Malformed, "[0]"},
		{`["\uDC00\uD800"]`, Malformed, "[0]"},
		{`["\uD800x"]`, Malformed, "[0]"},
		{"[\"\xff\"]", Malformed, "[0]"},
		{"[\"\xC3\"]", Malformed, "[0]"},
		{"[\"\xED\xA0\x80\"]", Malformed, "[0]"},
		{
			`{"a":1,"b":{"c":1,"c":2}}`,
			Duplicate,
			"b.c",
		},
		{`{"a":1,"\u0061":2}`, Duplicate, "a"},
		{`{"a":null,"a":2}`, Duplicate, "a"},
		{strings.Repeat("[", 33), TooLarge, strings.Repeat("[0]", 32)},
		{`{"` + strings.Repeat("n", 257) + `":1}`, TooLarge, ""},
	}
	for name, reader := range readers {
		for _, tt := range tests {
			t.Run(name+"/"+tt.text[:min(len(tt.text), 30)], func(t *testing.T) {
				_, err := decodeAll(reader(strings.NewReader(tt.text)))
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("decode = %v, want an *Error", err)
				}
				if e.Fault != tt.fault || e.Path != tt.path {
					t.Errorf("decode = fault %d at %q (%v), want fault %d at %q", e.Fault, e.Path, e, tt.fault, tt.path)
				}
			})
		}
	}
}

func TestScannerReturnsTheReadersError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, text := range []string{``, `{`, `{"a":"x`, `{"a":1} `} {
		s := NewScanner(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), Limits{})
		err := s.Skip()
		if err == nil {
			err = s.End()
		}
		if err != broken {
			t.Errorf("%q: error = %v, want the reader's own", text, err)
		}
	}
	s := NewScanner(noProgress{}, Limits{})
	if err := s.Skip(); err != io.ErrNoProgress {
		t.Errorf("error of a reader that gives nothing = %v, want %v", err, io.ErrNoProgress)
	}
}

type noProgress struct{}

func (noProgress) Read([]byte) (int, error) { return 0, nil }

func TestScannerWrongTypes(t *testing.T) {
	tests := []struct {
		text string
		read func(*Scanner) error
	}{
		{`"x"`, func(s *Scanner) error { return s.Object(nil) }},
		{`{}`, func(s *Scanner) error { return s.Array(nil) }},
		{`{"a":5}`, func(s *Scanner) error { _, err := s.String(9); return err }},
		{`[5]`, func(s *Scanner) error { _, err := s.String(9); return err }},
		{`"yes"`, func(s *Scanner) error { _, err := s.Bool(); return err }},
		{`2`, func(s *Scanner) error { _, err := s.Bool(); return err }},
		{`[true]`, func(s *Scanner) error { _, err := s.Bool(); return err }},
		{`null`, func(s *Scanner) error { _, err := s.Bool(); return err }},
		{`5`, func(s *Scanner) error { _, err := s.Base64(); return err }},
		{`[]`, func(s *Scanner) error { _, err := s.Base64(); return err }},
		{`null`, func(s *Scanner) error { _, err := s.String(9); return err }},
	}
	for _, tt := range tests {
		var e *Error
		if err := tt.read(NewScanner(strings.NewReader(tt.text), Limits{})); !errors.As(err, &e) || e.Fault != WrongType {
			t.Errorf("%s: error = %v, want a wrong type", tt.text, err)
		}
	}
}

func TestScannerTakesScalarsForTexts(t *testing.T) {
	for name, reader := range readers {
		for text, want := range map[string]string{
			`"7"`: "7", `7`: "7", `-0.50`: "-0.50", `20260001`: "20260001", `12345678901234567890`: "12345678901234567890", `1e+3`: "1e+3", `true`: "true", `false`: "false",
		} {
			s := NewScanner(reader(strings.NewReader(`{"a":`+text+`}`)), Limits{})
			var got string
			err := s.Object(func(string) (err error) {
				got, err = s.String(20)
				return err
			})
			if err := errors.Join(err, s.End()); err != nil || got != want {
				t.Errorf("%s: String of %s = %q, %v, want %q", name, text, got, err, want)
			}
		}
		for text, want := range map[string]bool{
			`true`: true, `"true"`: true, `"True"`: true, `"TRUE"`: true, `1`: true,
			`false`: false, `"false"`: false, `"False"`: false, `"FALSE"`: false, `0`: false,
		} {
			s := NewScanner(reader(strings.NewReader(text)), Limits{})
			if got, err := s.Bool(); errors.Join(err, s.End()) != nil || got != want {
				t.Errorf("%s: Bool of %s = %v, %v, want %v", name, text, got, err, want)
			}
		}
	}
}

func TestScannerBoundsWhatItHolds(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"n%d":0`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	tests := []struct {
		name, text string
		ok         bool
		read       func(*Scanner) error
	}{
		{"a string that fits", `"12345"`, true, func(s *Scanner) error { _, err := s.String(5); return err }},
		{"a long string", `"123456"`, false, func(s *Scanner) error { _, err := s.String(5); return err }},
		{"a long string of escapes", `"12345\n"`, false, func(s *Scanner) error { _, err := s.String(5); return err }},
		{
			"an endless string",
			`"` + strings.Repeat("x", 1<<20) + `"`,
			false,
			func(s *Scanner) error { _, err := s.String(5); return err },
		},
		{"a number that fits", `12345`, true, func(s *Scanner) error { _, err := s.String(5); return err }},
		{"a long number", `123456`, false, func(s *Scanner) error { _, err := s.String(5); return err }},
		{
			"an endless number",
			strings.Repeat("1", 1<<20),
			false,
			func(s *Scanner) error { _, err := s.String(5); return err },
		},
		{"raw that fits", `[1, "a"]`, true, func(s *Scanner) error { _, err := s.Raw(7); return err }},
		{"long raw", `[1, "a"]`, false, func(s *Scanner) error { _, err := s.Raw(6); return err }},
		{
			"endless raw of brackets",
			"[" + strings.Repeat("[],", 1<<20) + "[]]",
			false,
			func(s *Scanner) error { _, err := s.Raw(1000); return err },
		},
		{
			"endless raw of digits",
			strings.Repeat("1", 1<<20),
			false,
			func(s *Scanner) error { _, err := s.Raw(1000); return err },
		},
		{
			"endless raw of text",
			`"` + strings.Repeat("x", 1<<20) + `"`,
			false,
			func(s *Scanner) error { _, err := s.Raw(1000); return err },
		},
		{"names that fit", many(256), true, (*Scanner).Skip},
		{"many names", many(257), false, (*Scanner).Skip},
		{"text in all", `["0123456789","0123456789x"]`, false, func(s *Scanner) error {
			return s.Array(func(int) error { _, err := s.String(20); return err })
		}},
		{"numbers in all", `[1234567890,12345678901]`, false, func(s *Scanner) error {
			return s.Array(func(int) error { _, err := s.String(20); return err })
		}},
		{"text skipped", `["0123456789","0123456789x"]`, true, (*Scanner).Skip},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewScanner(strings.NewReader(tt.text), Limits{TextBytes: 20})
			err := tt.read(s)
			var e *Error
			if tt.ok != (err == nil) || err != nil && (!errors.As(err, &e) || e.Fault != TooLarge) {
				t.Errorf("error = %v, want ok %v", err, tt.ok)
			}
			if len(s.raw) > bufferBytes+2000 {
				t.Errorf("raw grew to %d bytes", len(s.raw))
			}
		})
	}
}

func TestScannerRawLeavesBlanksOut(t *testing.T) {
	text := " { \"a b\" :\t[ 1 , \"x y\\n\" , null ] ,\"z\":null}\n"
	for name, reader := range readers {
		got, err := NewScanner(reader(strings.NewReader(text)), Limits{}).Raw(100)
		if want := `{"a b":[1,"x y\n",null],"z":null}`; got != want || err != nil {
			t.Errorf("%s: Raw = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestObjectSkipsWhatIsNotRead(t *testing.T) {
	text := `{"skip":{"x":[1,2,{"y":"\\"}]},"take":"a","nothing":null,"skip too":"` + strings.Repeat(
		"z",
		100_000,
	) + `","last":true}`
	var names []string
	s := NewScanner(strings.NewReader(text), Limits{})
	err := s.Object(func(name string) error {
		names = append(names, name)
		if name == "take" {
			_, err := s.String(1)
			return err
		}
		return nil
	})
	if err := errors.Join(err, s.End()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"skip", "take", "skip too", "last"}; !reflect.DeepEqual(names, want) {
		t.Errorf("members = %q, want %q (without the one that is null)", names, want)
	}
}

var as = bytes.Repeat([]byte("A"), bufferBytes)

// endless gives n bytes of a base64 string without holding them.
type endless struct {
	n    int64
	head string
	tail string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	if e.n > 0 {
		n := copy(p[:min(int64(len(p)), e.n)], as)
		e.n -= int64(n)
		return n, nil
	}
	if e.tail == "" {
		return 0, io.EOF
	}
	n := copy(p, e.tail)
	e.tail = e.tail[n:]
	return n, nil
}

func TestScannerMemoryDoesNotGrowWithTheText(t *testing.T) {
	const n = 32 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := NewScanner(&endless{n: n, head: `{"skipped":"`, tail: `"}`}, Limits{})
	if err := errors.Join(s.Skip(), s.End()); err != nil {
		t.Fatal(err)
	}
	decoded := must(NewScanner(&endless{n: n, head: `"`, tail: `"`}, Limits{}).Base64())
	if _, err := io.Copy(io.Discard, decoded); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// TotalAlloc counts the bytes of all allocations since the start. Keeping a text in memory would
	// take n bytes. The buffers, the runtime and the race detector take far less than n/16.
	if got := after.TotalAlloc - before.TotalAlloc; got > n/16 {
		t.Errorf("two texts of %d bytes took %d bytes of memory, want %d at most", n, got, n/16)
	}
}

// must returns v, or panics if err is not nil.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// faultOf returns the parts of an error that must not depend on the pieces in which a text arrives.
// The offset may depend on them.
func faultOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Fault, " at ", e.Path)
	}
	return fmt.Sprint(err)
}

func FuzzScanner(f *testing.F) {
	for _, text := range validTexts {
		if len(text) < 100 { // the minimizer is slow on long ones
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`{"a":"\ud800"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, wholeErr := decodeAll(bytes.NewReader(text))
		split, splitErr := decodeAll(iotest.OneByteReader(bytes.NewReader(text)))
		if faultOf(wholeErr) != faultOf(splitErr) || wholeErr == nil && !reflect.DeepEqual(whole, split) {
			t.Fatalf("whole: %v, %v; in pieces: %v, %v", whole, wholeErr, split, splitErr)
		}
		text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
		var e *Error
		if errors.As(wholeErr, &e) && (e.Fault == TooLarge || e.Fault == Duplicate) {
			return
		}
		if wholeErr == nil && !json.Valid(text) {
			t.Fatalf("accepted %q, which is not JSON", text)
		}
		// encoding/json lets bytes that are not UTF-8 and halves of surrogate pairs pass.
		if wholeErr != nil && json.Valid(text) && !strings.Contains(e.Reason, "UTF-8") &&
			!strings.Contains(e.Reason, "surrogate") {
			t.Fatalf("refused %q: %v", text, wholeErr)
		}
	})
}
