package pdf

import (
	"bytes"
	"encoding/ascii85"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/image/tiff/lzw"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// decoded returns the decoded data of a stream with the given dictionary and data.
func decoded(t *testing.T, dict string, data []byte) ([]byte, error) {
	t.Helper()
	b := newBuilder().catalog()
	b.stream(4, dict, data)
	b.table("")
	d := open(t, b.Bytes())
	o, err := d.Get(Ref{4, 0})
	if err != nil {
		return nil, err
	}
	r, err := d.Data(o.(*Stream))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestFilters(t *testing.T) {
	plain := []byte(strings.Repeat("Some text, and the same again. ", 300))
	a85 := make([]byte, ascii85.MaxEncodedLen(len(plain)))
	a85 = append(a85[:ascii85.Encode(a85, plain)], "~>"...)
	var runs bytes.Buffer
	for rest := plain; len(rest) > 0; {
		n := min(100, len(rest))
		runs.WriteByte(byte(n - 1))
		runs.Write(rest[:n])
		rest = rest[n:]
	}
	runs.Write([]byte{255 - 2, 'z', 128}) // four times z
	for _, tt := range []struct {
		name, dict string
		data, want []byte
	}{
		{"none", "", plain, plain},
		{"flate", "/Filter/FlateDecode", deflate(string(plain)), plain},
		{"flate without checksum", "/Filter/FlateDecode",
			bytes.TrimSuffix(deflate(string(plain)), deflate(string(plain))[len(deflate(string(plain)))-4:]), plain},
		{"hex", "/Filter/ASCIIHexDecode", []byte(hex.EncodeToString(plain) + ">"), plain},
		{"hex, odd", "/Filter[/ASCIIHexDecode]", []byte("41 4>"), []byte("A@")},
		{"base 85", "/Filter/ASCII85Decode", a85, plain},
		{"base 85, zeros", "/Filter/ASCII85Decode", []byte("z~>"), []byte{0, 0, 0, 0}},
		{"run length", "/Filter/RunLengthDecode", runs.Bytes(), append(bytes.Clone(plain), "zzzz"...)},
		{"two", "/Filter[/ASCIIHexDecode/FlateDecode]", []byte(hex.EncodeToString(deflate(string(plain))) + ">"), plain},
		{"two with parameters", "/Filter[/ASCIIHexDecode/FlateDecode]/DecodeParms[null<</Predictor 1>>]",
			[]byte(hex.EncodeToString(deflate(string(plain))) + ">"), plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decoded(t, tt.dict, tt.data)
			if err != nil || !bytes.Equal(got, tt.want) {
				t.Errorf("Data = %d bytes, %v, want %d", len(got), err, len(tt.want))
			}
		})
	}
}

// lzwEncode writes codes of 9 to 12 bits: one literal for each byte. It clears the table before the
// table is full.
func lzwEncode(data []byte, early int) []byte {
	var out []byte
	var bits, nbits uint
	put := func(code, width uint) {
		bits, nbits = bits<<width|code, nbits+width
		for nbits >= 8 {
			out = append(out, byte(bits>>(nbits-8)))
			nbits -= 8
		}
		bits &= 1<<nbits - 1
	}
	put(lzwClear, 9)
	next, width, first := 258, uint(9), true
	for _, c := range data {
		put(uint(c), width)
		if !first {
			next++
		}
		first = false
		if next+early >= 1<<width && width < 12 {
			width++
		}
		if next >= 4000 {
			put(lzwClear, width)
			next, width, first = 258, 9, true
		}
	}
	put(lzwEnd, width)
	return append(out, byte(bits<<(8-nbits)))
}

func TestLZW(t *testing.T) {
	// The example of ISO 32000-2 7.4.4.2.
	got, err := decoded(t, "/Filter/LZWDecode", []byte{0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01})
	if want := []byte{45, 45, 45, 45, 45, 65, 45, 45, 45, 66}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("the standard's example = %v, %v, want %v", got, err, want)
	}
	plain := []byte(strings.Repeat("abcdefghij", 2000))
	for early, dict := range []string{"/DecodeParms<</EarlyChange 0>>", ""} {
		got, err := decoded(t, "/Filter/LZWDecode"+dict, lzwEncode(plain, early))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("early change %d: %d bytes, %v, want %d", early, len(got), err, len(plain))
		}
	}
}

// TestLZWAgrees compares the decoder with another one on random codes.
func TestLZWAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		data := make([]byte, 1+random.IntN(400))
		for j := range data {
			data[j] = byte(random.Uint32())
		}
		data[0], data[1%len(data)] = 0x80, data[1%len(data)]&0x7f // begins with a clear code
		r := lzw.NewReader(bytes.NewReader(data), lzw.MSB, 8)
		want, wantErr := io.ReadAll(r)
		if wantErr != nil {
			continue // they differ in what is kept of broken data
		}
		got, err := decoded(t, "/Filter/LZWDecode", data)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("data %d %x: %d bytes, %v, want %d", i, data, len(got), err, len(want))
		}
	}
}

func TestPredictors(t *testing.T) {
	want := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 10, 20, 30, 40, 50, 60}
	rows := []byte{
		0, 1, 2, 3,
		1, 4, 1, 1,
		2, 3, 3, 3,
		3, 5, 1, 0, // average of left and up: (0+7)/2, (9... below
		4, 1, 11, 10,
		0, 40, 50, 60,
	}
	// Row 4 (average): 9 = x + 7/2; 9 = x + (9+8)/2; 9 = x + (9+9)/2. Row 5 (Paeth) over 9 9 9: 10 = x
	// + 9; 20 = x + 10 (left); 30 = x + 20.
	rows[13], rows[14], rows[15] = 9-3, 9-8, 0
	rows[17], rows[18], rows[19] = 10-9, 20-10, 30-20
	dict := "/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 3>>"
	got, err := decoded(t, dict, deflate(string(rows)))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("PNG = %v, %v, want %v", got, err, want)
	}
	got, err = decoded(t, "/Filter/FlateDecode/DecodeParms<</Predictor 2/Columns 3/Colors 2>>",
		deflate("\x01\x02\x01\x01\x01\x01\x05\x05\x01\x01\x01\x01"))
	if want := []byte{1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("TIFF = %v, %v, want %v", got, err, want)
	}
}

func TestFiltersRefuse(t *testing.T) {
	for _, tt := range []struct {
		name, dict string
		data       []byte
		kind       signing.Kind
	}{
		{"unknown filter", "/Filter/DCTDecode", nil, signing.KindUnsupported},
		{"many filters", "/Filter[" + strings.Repeat("/FlateDecode", 20) + "]", nil, signing.KindTooComplex},
		{"other file", "/F(x)", nil, signing.KindUnsupported},
		{"broken flate", "/Filter/FlateDecode", []byte("not compressed"), signing.KindDamaged},
		{"cut flate", "/Filter/FlateDecode", deflate(strings.Repeat("abcdef", 1000))[:20], signing.KindInternal},
		{"broken hex", "/Filter/ASCIIHexDecode", []byte("xyz"), signing.KindDamaged},
		{"broken base 85", "/Filter/ASCII85Decode", []byte("uuuuu~>"), signing.KindDamaged},
		{"broken LZW", "/Filter/LZWDecode", []byte{0x80, 0x7f, 0xff, 0xff, 0xff}, signing.KindDamaged},
		{"huge row", "/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 2000000000>>", deflate("x"),
			signing.KindDamaged},
		{"wide row", "/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 1000000/Colors 32/BitsPerComponent 32>>",
			deflate("x"), signing.KindTooComplex},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decoded(t, tt.dict, tt.data)
			if err == nil || signing.KindOf(err) != tt.kind {
				t.Errorf("error = %v, want %s", err, tt.kind)
			}
		})
	}
}

// TestDecodeBudget checks that all stages of all streams of a document count against one budget.
func TestDecodeBudget(t *testing.T) {
	b := newBuilder().catalog()
	b.stream(4, "/Filter[/FlateDecode/FlateDecode]", deflate(string(deflate(strings.Repeat("x", 1<<20)))))
	b.table("")
	d := open(t, b.Bytes())
	o, err := d.Get(Ref{4, 0})
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		r, err := d.Data(o.(*Stream))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
	if err := read(); err != nil {
		t.Errorf("first reading: %v", err)
	}
	if d.loader.decoder.decoded < 1<<20+500 {
		t.Errorf("decoded = %d, want both stages counted", d.loader.decoder.decoded)
	}
	d.loader.decoder.decoded = maxDecoded - 1<<20
	wantKind(t, read(), signing.KindTooComplex, "decode to more")
}

func TestContent(t *testing.T) {
	const content = "q 1 0 0 1 72.5 700 cm % place\nBT /F1 12 Tf [(A) -120 <42>] TJ ET\n" +
		"BI /W 2 /H 1 /BPC 8 /CS /G ID \x00EI\xff \nEI Q ) > /Last 1.5 gs"
	c := NewContent(strings.NewReader(content))
	var got []string
	for {
		operator, operands, err := c.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		got = append(got, fmt.Sprintf("%s/%d", operator, len(operands)))
	}
	want := "q/0 cm/6 BT/0 Tf/2 TJ/1 ET/0 BI/1 Q/0 gs/2"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("operators = %s, want %s", s, want)
	}
}
