package appearance

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var update = flag.Bool("update", false,
	"write the rendered pages of testdata/render again; look at them before committing")

// render draws page 1 with pdftoppm as a reader would show it, with dpi dots per inch.
func render(t *testing.T, file []byte, dpi int) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(tool(t, "pdftoppm"), "-cropbox", "-r", fmt.Sprint(dpi), "-png", "-f", "1", "-l", "1", path)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("pdftoppm: %v %s", err, errs.String())
	}
	img, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// distance returns the mean difference in brightness of two pictures, 0 to 255. It is 255 if their
// sizes differ.
func distance(a, b image.Image) float64 {
	if a.Bounds().Size() != b.Bounds().Size() {
		return 255
	}
	sum := 0.0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p := color.GrayModel.Convert(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)).(color.Gray).Y
			q := color.GrayModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.Gray).Y
			sum += max(float64(p)-float64(q), float64(q)-float64(p))
		}
	}
	return sum / float64(a.Bounds().Dx()*a.Bounds().Dy())
}

// TestRenderedPages draws a signature on pages of every rotation whose crop box does not start at
// the origin. It compares the pages with pictures that a person has checked: the box is 40 points
// from the left and 60 from the top as the reader sees it, upright, with the right colours and
// image.
func TestRenderedPages(t *testing.T) {
	const media, crop = "[-20 -10 700 900]", "[50 30 450 630]"
	tests := map[string]pageSpec{
		"rotate0":   {media: media, crop: crop},
		"rotate90":  {media: media, crop: crop, rotate: 90},
		"rotate180": {media: media, crop: crop, rotate: -180},
		"rotate270": {media: media, crop: crop, rotate: 270},
		"rotate450": {media: media, crop: "[450 630 50 30]", rotate: 450}, // the same as 90, its corners the other way round
	}
	for name, spec := range tests {
		t.Run(name, func(t *testing.T) {
			c := content(t, func(v *signing.VisibleSignature, _ *Content) {
				v.LocationValue, v.Area, v.AreaBackgroundColor = "page=1,x=40,y=60", "width=320,height=160", "#FFE9C0"
				v.Font = "size=14,color=#8B0000,name=arial"
				v.OneOffTemplate = "Signed by $certificate.getCommonName()\n" +
					"Αθήνα, Київ, $date.format('d MMM yyyy')\n$reason, $location"
			})
			got := render(t, stamp(t, onePage(spec), c), 36)
			if name == "rotate450" {
				name = "rotate90"
			}
			compare(t, filepath.Join("testdata", "render", name+".png"), got)
		})
	}
}

func compare(t *testing.T, path string, got image.Image) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, encodePNG(t, got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	// Another version of the renderer may smooth edges in another way. A box that is moved or rotated
	// differs by more than 10.
	if d := distance(got, want); d > 2 {
		failed := filepath.Join(t.ArtifactDir(), filepath.Base(path))
		_ = os.WriteFile(failed, encodePNG(t, got), 0o600)
		t.Errorf("the page differs from %s by %.1f, want at most 2", path, d)
	}
}

// TestRenderedUpright checks without pictures that the box has its colour exactly where the reader
// expects it.
func TestRenderedUpright(t *testing.T) {
	for _, rotate := range []int{0, 90, 180, 270} {
		for _, pdfa := range []bool{false, true} {
			c := content(t, func(v *signing.VisibleSignature, c *Content) {
				v.LocationValue, v.Area, v.AreaBackgroundColor = "page=1,x=40,y=60", "width=100,height=50", "#FF0000"
				v.OneOffTemplate, v.ImageType, v.Image, c.Image, c.PDFA = " ", "", nil, nil, pdfa
			})
			img := render(t,
				stamp(t, onePage(pageSpec{media: "[-20 -10 700 900]", crop: "[50 30 450 630]", rotate: rotate}), c), 72)
			for at, want := range map[[2]int]bool{
				{42, 62}: true, {138, 62}: true, {42, 108}: true, {138, 108}: true,
				{37, 62}: false, {143, 62}: false, {42, 57}: false, {42, 113}: false,
			} {
				r, g, b, _ := img.At(at[0], at[1]).RGBA()
				if red := r > 0xf000 && g < 0x1000 && b < 0x1000; red != want {
					t.Errorf("rotated by %d, PDF/A %v: pixel %v is red: %v, want %v", rotate, pdfa, at, red, want)
				}
			}
		}
	}
}

// TestRenderedGoldenPair makes the signed file of the original product again and compares the
// pictures of both.
func TestRenderedGoldenPair(t *testing.T) {
	original, err := os.ReadFile("testdata/golden/test.pdf")
	if err != nil {
		t.Fatal(err)
	}
	signed := stamp(t, original, content(t, nil))
	if !bytes.Contains(signed, []byte("/Rect[100 141.88976 400 341.88976]")) &&
		!bytes.Contains(signed, []byte("/Rect [100 141.88976 400 341.88976]")) {
		t.Error("the widget's /Rect is not [100 141.88976 400 341.88976]")
	}
	compare(t, filepath.Join("testdata", "render", "golden.png"), render(t, signed, 36))
}
