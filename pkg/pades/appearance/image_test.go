package appearance

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// memory is a signing.File in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(b []byte) signing.File { return memory{bytes.NewReader(b)} }

func encodePNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pixels unpacks the stream of a picture with pkg/pdf.
func pixels(t *testing.T, data []byte, colors, columns int) []byte {
	t.Helper()
	d := openPDF(t, onePage(pageSpec{}))
	u, err := pdf.NewUpdate(d)
	if err != nil {
		t.Fatal(err)
	}
	ref := u.Add(pdf.NewStream(pdf.NewDict("Filter", pdf.Name("FlateDecode"), "DecodeParms",
		pdf.NewDict("Predictor", pdf.Int(15), "Colors", pdf.Int(int64(colors)), "Columns", pdf.Int(int64(columns)))), data))
	d = openPDF(t, withUpdate(t, onePage(pageSpec{}), u))
	o, err := d.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Data(o.(*pdf.Stream))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadPNG(t *testing.T) {
	rect := image.Rect(0, 0, 2, 1)
	gray := &image.Gray{Pix: []byte{7, 200}, Stride: 2, Rect: rect}
	rgb := &image.NRGBA{Pix: []byte{1, 2, 3, 255, 4, 5, 6, 255}, Stride: 8, Rect: rect}
	clear := &image.NRGBA{Pix: []byte{255, 0, 0, 255, 255, 0, 0, 51}, Stride: 8, Rect: rect}
	deep := image.NewNRGBA64(rect)
	deep.Set(0, 0, color.NRGBA64{0x1234, 0x5678, 0x9abc, 0xffff})
	deep.Set(1, 0, color.NRGBA64{0xffff, 0, 0, 0xffff})
	table := image.NewPaletted(rect, color.Palette{color.NRGBA{9, 8, 7, 255}, color.NRGBA{0, 0, 0, 0}})
	table.Pix[1] = 1
	white, blue := &signing.Color{R: 255, G: 255, B: 255}, &signing.Color{B: 255}
	tests := []struct {
		name  string
		img   image.Image
		paper *signing.Color
		want  []byte
		alpha []byte
		gray  bool
	}{
		{"grey", gray, nil, []byte{7, 200}, nil, true},
		{"colour", rgb, nil, []byte{1, 2, 3, 4, 5, 6}, nil, false},
		{"opacity kept", clear, nil, []byte{255, 0, 0, 255, 0, 0}, []byte{255, 51}, false},
		{"opacity on white", clear, white, []byte{255, 0, 0, 255, 204, 204}, nil, false},
		{"opacity on blue", clear, blue, []byte{255, 0, 0, 51, 0, 204}, nil, false},
		{"16 bits", deep, nil, []byte{0x12, 0x56, 0x9a, 255, 0, 0}, nil, false},
		{"colour table with opacity", table, nil, []byte{9, 8, 7, 0, 0, 0}, []byte{255, 0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := readImage(inMemory(encodePNG(t, tt.img)), signing.ImagePNG, tt.paper)
			if err != nil {
				t.Fatal(err)
			}
			colors := 3
			if tt.gray {
				colors = 1
			}
			if p.width != 2 || p.height != 1 || p.gray != tt.gray || p.filter != "FlateDecode" {
				t.Errorf("picture = %d x %d, grey %v, %s", p.width, p.height, p.gray, p.filter)
			}
			if got := pixels(t, p.data, colors, 2); !bytes.Equal(got, tt.want) {
				t.Errorf("pixels = %v, want %v", got, tt.want)
			}
			if (p.alpha == nil) != (tt.alpha == nil) {
				t.Fatalf("alpha = %v, want %v", p.alpha, tt.alpha)
			}
			if tt.alpha != nil {
				if got := pixels(t, p.alpha, 1, 2); !bytes.Equal(got, tt.alpha) {
					t.Errorf("alpha = %v, want %v", got, tt.alpha)
				}
			}
		})
	}
}

func TestReadJPEG(t *testing.T) {
	var gray bytes.Buffer
	if err := jpeg.Encode(&gray, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	rgb, err := os.ReadFile("testdata/rgb.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"grey": gray.Bytes(), "YCbCr": rgb} {
		p, err := readImage(inMemory(data), signing.ImageJPG, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.filter != "DCTDecode" || !bytes.Equal(p.data, data) || p.gray != (name == "grey") {
			t.Errorf("%s: picture is %s, grey %v, %d bytes; want it as it came", name, p.filter, p.gray, len(p.data))
		}
	}
}

func TestReadJPEGInCMYK(t *testing.T) {
	data, err := os.ReadFile("testdata/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	p, err := readImage(inMemory(data), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.filter != "FlateDecode" || p.gray || p.width != 16 || p.height != 8 {
		t.Fatalf("picture = %d x %d %s, grey %v; want 16 x 8 in RGB", p.width, p.height, p.filter, p.gray)
	}
	rgb := pixels(t, p.data, 3, 16)
	at := func(x, y int) [3]bool { // which of red, green and blue are bright
		i := 3 * (16*y + x)
		return [3]bool{rgb[i] > 127, rgb[i+1] > 127, rgb[i+2] > 127}
	}
	for place, want := range map[[2]int][3]bool{
		{2, 1}: {false, true, false}, {13, 1}: {true, true, false}, {2, 6}: {false, true, true}, {13, 6}: {true, true, true},
	} {
		if got := at(place[0], place[1]); got != want {
			t.Errorf("pixel %v bright in red, green, blue: %v, want %v", place, got, want)
		}
	}
}

// bomb returns a PNG whose header claims w x h pixels.
func bomb(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		body := append([]byte(kind), data...)
		b = append(b, body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, w)
	head = binary.BigEndian.AppendUint32(head, h)
	chunk("IHDR", append(head, 8, 6, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c})
	return b
}

func TestReadImageRefuses(t *testing.T) {
	good := encodePNG(t, image.NewGray(image.Rect(0, 0, 200, 200)))
	jpg, err := os.ReadFile("testdata/rgb.jpg")
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(good)
	broken[len(broken)-30] ^= 0xff
	tests := []struct {
		name, kind string
		data       []byte
		want       string
	}{
		{"neither", "", []byte("GIF89a"), "neither a PNG nor a JPEG"},
		{"a JPEG as PNG", signing.ImagePNG, jpg, "not a PNG"},
		{"a PNG as JPEG", signing.ImageJPG, good, "not a JPEG"},
		{"bomb", "", bomb(100_000, 100_000), "100000 x 100000 pixels"},
		{"bomb beyond all sizes", "", bomb(1<<31-1, 1<<31-1), "damaged"},
		{"cut off", "", good[:len(good)/2], "damaged"},
		{"head only", "", good[:20], "damaged"},
		{"wrong checksum", "", broken, "damaged"},
		{"JPEG cut off", "", jpg[:len(jpg)-20], "damaged"},
		{"JPEG head only", "", jpg[:20], "damaged"},
		{"large", "", make([]byte, maxImageBytes+1), "larger than 4 MiB"},
		{"empty", "", nil, "neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readImage(inMemory(tt.data), tt.kind, nil)
			e := signing.AsError(err)
			if err == nil || e.Kind != signing.KindVisible || !strings.Contains(e.Detail, tt.want) {
				t.Errorf("readImage = %v, want %q with %q", err, signing.KindVisible, tt.want)
			}
		})
	}
}

func FuzzReadImage(f *testing.F) {
	for _, name := range []string{"testdata/rgb.jpg", "testdata/cmyk.jpg"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(bomb(1000, 1000))
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewNRGBA(image.Rect(0, 0, 3, 3))); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readImage(inMemory(data), "", nil)
		if err != nil {
			if signing.KindOf(err) != signing.KindVisible {
				t.Errorf("readImage: %v, want KindVisible", err)
			}
			return
		}
		if p.width < 1 || p.height < 1 || p.width*p.height > maxImagePixels {
			t.Errorf("picture of %d x %d", p.width, p.height)
		}
	})
}
