package appearance

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Bounds on an image. They are checked against its header before it is unpacked.
const (
	maxImageBytes  = 4 << 20
	maxImagePixels = 1 << 20 // an A3 page, because one pixel is one point
)

// picture is an image in the form in which it is written into the PDF file.
type picture struct {
	width, height int
	gray          bool   // one component; otherwise three
	filter        string // FlateDecode with PNG prediction, or DCTDecode
	data          []byte
	alpha         []byte // opacity as FlateDecode with PNG prediction; nil if opaque
}

func (p *picture) size() size {
	if p == nil {
		return size{}
	}
	return size{float64(p.width), float64(p.height)}
}

// wrongImage returns the error for an image that cannot be drawn. The cause is for the log only.
func wrongImage(cause error, format string, args ...any) error {
	e := signing.Errorf(signing.KindVisible, format, args...)
	e.Detail = "visibleSignatureInfo.imageValue: " + e.Detail
	return e.Because(cause)
}

// readImage reads and checks an image. kind is signing.ImagePNG, ImageJPG, or empty for either. A
// transparent image is flattened onto paper, or stays transparent if paper is nil.
func readImage(file signing.File, kind string, paper *signing.Color) (*picture, error) {
	if file.Size() > maxImageBytes {
		return nil, wrongImage(nil, "the image is larger than %d MiB", maxImageBytes>>20)
	}
	data := make([]byte, file.Size())
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, file.Size()), data); err != nil {
		return nil, (&signing.Error{Kind: signing.KindStorage, Detail: "the image could not be read", Err: err}).Retryable(0)
	}
	isPNG, isJPEG := bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")), bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff})
	switch {
	case isPNG && kind != signing.ImageJPG:
		return readPNG(data, paper)
	case isJPEG && kind != signing.ImagePNG:
		return readJPEG(data)
	case kind == signing.ImagePNG:
		return nil, wrongImage(nil, "is not a PNG image")
	case kind == signing.ImageJPG:
		return nil, wrongImage(nil, "is not a JPEG image")
	}
	return nil, wrongImage(nil, "is neither a PNG nor a JPEG image")
}

// checkSize checks the header, so that an image that would be too large is refused before it is
// unpacked.
func checkSize(c image.Config) error {
	if c.Width < 1 || c.Height < 1 || int64(c.Width)*int64(c.Height) > maxImagePixels {
		return wrongImage(nil, "the image has %d x %d pixels; allowed are 1 to %d pixels in total", c.Width,
			c.Height, maxImagePixels)
	}
	return nil
}

func readPNG(data []byte, paper *signing.Color) (*picture, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, wrongImage(err, "the PNG image is damaged")
	}
	if err := checkSize(c); err != nil {
		return nil, err
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, wrongImage(err, "the PNG image is damaged")
	}
	return fromPixels(img, paper)
}

// readJPEG copies a grey or YCbCr JPEG unchanged, because all PDF readers agree on its colours.
// Other JPEGs are unpacked.
func readJPEG(data []byte) (*picture, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, wrongJPEG(err)
	}
	if err := checkSize(c); err != nil {
		return nil, err
	}
	// Decode the image to check it. Otherwise a damaged image would be noticed only after it is
	// signed.
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, wrongJPEG(err)
	}
	p := &picture{width: c.Width, height: c.Height, filter: "DCTDecode", data: data}
	switch img.(type) {
	case *image.Gray:
		p.gray = true
		return p, nil
	case *image.YCbCr:
		return p, nil
	}
	return fromPixels(img, nil)
}

func wrongJPEG(err error) error {
	var u jpeg.UnsupportedError
	if errors.As(err, &u) {
		return wrongImage(err, "the JPEG image is of an unsupported kind")
	}
	return wrongImage(err, "the JPEG image is damaged")
}

// fromPixels packs an unpacked image. An image without colours becomes grey. The opacity is packed
// separately, unless the image is flattened onto paper.
func fromPixels(img image.Image, paper *signing.Color) (*picture, error) {
	b := img.Bounds()
	pixels, alpha := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy())), image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	opaque, gray := true, true
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := nrgba(img, b.Min.X+x, b.Min.Y+y)
			if c.A != 0xff && paper != nil {
				c = flatten(c, *paper)
			}
			opaque = opaque && c.A == 0xff
			gray = gray && c.R == c.G && c.G == c.B
			alpha.Pix[y*alpha.Stride+x] = c.A
			c.A = 0xff
			pixels.SetNRGBA(x, y, c)
		}
	}
	p := &picture{width: b.Dx(), height: b.Dy(), gray: gray, filter: "FlateDecode"}
	var packed image.Image = pixels
	if gray {
		packed = onlyGray(pixels)
	}
	var err error
	if p.data, err = pack(packed); err == nil && !opaque {
		p.alpha, err = pack(alpha)
	}
	return p, err
}

// nrgba does the same as img.At, but faster for the usual kinds of image.
func nrgba(img image.Image, x, y int) color.NRGBA {
	switch img := img.(type) {
	case *image.NRGBA:
		return img.NRGBAAt(x, y)
	case *image.RGBA:
		if c := img.RGBAAt(x, y); c.A == 0xff {
			return color.NRGBA{c.R, c.G, c.B, 0xff}
		}
	case *image.Gray:
		g := img.GrayAt(x, y).Y
		return color.NRGBA{g, g, g, 0xff}
	}
	return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
}

func flatten(c color.NRGBA, paper signing.Color) color.NRGBA {
	mix := func(over, under uint8) uint8 {
		return uint8((int(over)*int(c.A) + int(under)*(0xff-int(c.A)) + 0x7f) / 0xff)
	}
	return color.NRGBA{mix(c.R, paper.R), mix(c.G, paper.G), mix(c.B, paper.B), 0xff}
}

func onlyGray(img *image.NRGBA) *image.Gray {
	g := image.NewGray(img.Rect)
	for i := range g.Pix {
		g.Pix[i] = img.Pix[4*i]
	}
	return g
}

// encoderPool reuses the memory of PNG encoders, almost a megabyte each.
type encoderPool struct{ sync.Pool }

var encoders = &encoderPool{}

func (p *encoderPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *encoderPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

// pack compresses the rows of an opaque image as FlateDecode with PNG prediction (ISO 32000-2
// 7.4.4.4). This is the format of the IDAT chunks in a PNG file.
func pack(img image.Image) ([]byte, error) {
	var file bytes.Buffer
	encoder := png.Encoder{BufferPool: encoders}
	if err := encoder.Encode(&file, img); err != nil {
		return nil, fmt.Errorf("pack image: %w", err)
	}
	var out []byte
	for b := file.Bytes()[8:]; len(b) >= 12; {
		length := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if string(b[4:8]) == "IDAT" {
			out = append(out, b[8:8+length]...)
		}
		b = b[12+length:]
	}
	return out, nil
}
