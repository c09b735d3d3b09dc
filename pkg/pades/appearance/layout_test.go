package appearance

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func newTestText(t *testing.T, s string) *text {
	t.Helper()
	fonts, err := newFontSet(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	txt, err := newText(fonts, velocity.Text{{Text: s}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return txt
}

// texts returns the lines in reading order, without invisible characters.
func (l layout) texts() []string {
	var out []string
	for _, line := range l.lines {
		out = append(out, without([]rune(line.String()), invisible))
	}
	return out
}

// checkInside checks that every line, with its padding, and the image lie inside the area.
func checkInside(t *testing.T, l layout, image size, txt *text, padding float64) {
	t.Helper()
	const slack = 1e-3
	if image.w > 0 &&
		(l.image.x < -slack || l.image.y < -slack || l.image.x+image.w > l.area.w+slack ||
			l.image.y+image.h > l.area.h+slack) {
		t.Errorf("image of %v at %v reaches out of the area %v", image, l.image, l.area)
	}
	for i, line := range l.lines {
		base := l.text.y - float64(i)*l.leading
		top, bottom := base+txt.ascent*l.fontSize/1000, base-txt.descent*l.fontSize/1000
		right := l.text.x + line.width*l.fontSize/1000
		if l.text.x < padding-slack || bottom < padding-slack || right > l.area.w-padding+slack ||
			top > l.area.h-padding+slack {
			t.Errorf("line %d %q from %.2f,%.2f to %.2f,%.2f reaches out of the area %v", i, line, l.text.x, bottom,
				right, top, l.area)
		}
		if overlaps := image.w > 0 && l.text.x < l.image.x+image.w-slack && right > l.image.x+slack &&
			bottom < l.image.y+image.h-slack && top > l.image.y+slack; overlaps && strings.TrimSpace(line.String()) != "" {
			t.Errorf("line %d %q is drawn over the image", i, line)
		}
	}
}

func TestPlaceBesideImage(t *testing.T) {
	txt := newTestText(t, "Signed by King Sejong of Joseon")
	l, err := place(size{300, 200}, size{150, 150}, txt, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.lines) != 1 || l.fontSize != 10 {
		t.Errorf("layout = %d lines of %g points, want 1 of 10", len(l.lines), l.fontSize)
	}
	if l.image.y != 25 || l.image.x < 0 || l.image.x > 10 || l.text.x < l.image.x+150+padding {
		t.Errorf("image at %v, text at %v, want the image left in the middle and the text beside it", l.image, l.text)
	}
	checkInside(t, l, size{150, 150}, txt, padding)
}

func TestPlaceVariants(t *testing.T) {
	const long = "Digitally signed by Transportes Rodoviários Irmãos Álvares e Companhia, Sociedade Unipessoal Limitada"
	tests := []struct {
		name        string
		area, image size
		text        string
		lines       int     // 0 = any
		fontSize    float64 // 0 = any below 10
		under       bool    // the text stands under the image
	}{
		{"one line", size{200, 50}, size{}, "Signed by A", 1, 10, false},
		{"wrapped", size{150, 100}, size{}, long, 4, 10, false},
		{"given lines and an empty one", size{150, 100}, size{}, "\n\na\n\nb\n\n", 3, 10, false},
		{"under the image", size{155, 200}, size{150, 100}, "Signed by A", 1, 10, true},
		{"smaller", size{100, 30}, size{}, long, 0, 0, false},
		{"one long word", size{100, 60}, size{}, strings.Repeat("x", 60), 4, 10, false},
		{"small field", size{120, 14}, size{}, "Signed by Somebody\n2026-11-22", 2, 0, false},
		{"image alone", size{150, 150}, size{150, 150}, "  \n", 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			txt := newTestText(t, tt.text)
			l, err := place(tt.area, tt.image, txt, 10)
			if err != nil {
				t.Fatal(err)
			}
			if tt.lines != 0 && len(l.lines) != tt.lines {
				t.Errorf("lines = %q, want %d", l.texts(), tt.lines)
			}
			if tt.fontSize != 0 && l.fontSize != tt.fontSize || tt.fontSize == 0 && l.fontSize >= 10 {
				t.Errorf("font size = %g, want %g (0 = smaller than 10)", l.fontSize, tt.fontSize)
			}
			if under := len(l.lines) > 0 && l.text.y < l.image.y; tt.image.w > 0 && under != tt.under {
				t.Errorf("text at %v, image at %v, want under the image: %v", l.text, l.image, tt.under)
			}
			checkInside(t, l, tt.image, txt, 0)
		})
	}
}

func TestPlaceKeepsEveryWord(t *testing.T) {
	const s = "one two three four five six seven eight nine ten eleven twelve"
	txt := newTestText(t, s)
	l, err := place(size{90, 100}, size{}, txt, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(l.texts(), " "); got != s {
		t.Errorf("lines joined = %q, want %q", got, s)
	}
}

func TestPlaceRefuses(t *testing.T) {
	tests := []struct {
		name        string
		area, image size
		text, want  string
	}{
		{
			"wide image",
			size{100, 100},
			size{101, 10},
			"",
			"image of 101 x 10 pixels is larger than the signature's area of 100 x 100 points",
		},
		{"high image", size{100, 100}, size{10, 100.5}, "", "larger than"},
		{"much text", size{50, 50}, size{}, strings.Repeat("too much text ", 50), "not even in 4 point size"},
		{"no room beside or under", size{50, 50}, size{50, 50}, "text", "does not fit"},
		{"tiny area", size{3, 3}, size{}, "text", "does not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := place(tt.area, tt.image, newTestText(t, tt.text), 10)
			e := signing.AsError(err)
			if err == nil || e.Kind != signing.KindVisible || !strings.Contains(e.Detail, tt.want) {
				t.Errorf("place = %v, want %q with %q", err, signing.KindVisible, tt.want)
			}
		})
	}
}

// TestPlaceNeverReachesOut lays out random areas, images and texts. Nothing may reach out of the
// area.
func TestPlaceNeverReachesOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fits := 0
	for range 2000 {
		var b strings.Builder
		for range r.IntN(30) {
			b.WriteString(strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(15)))
			b.WriteByte(" \n\t "[r.IntN(4)])
		}
		txt := newTestText(t, b.String())
		area := size{1 + 300*r.Float64(), 1 + 200*r.Float64()}
		image := size{float64(r.IntN(150)), float64(r.IntN(150))}
		if image.w == 0 || image.h == 0 {
			image = size{}
		}
		l, err := place(area, image, txt, 1+40*r.Float64())
		if err != nil {
			continue
		}
		fits++
		checkInside(t, l, image, txt, 0)
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if got, want := squeeze(strings.Join(l.texts(), "")), squeeze(b.String()); got != want {
			t.Fatalf("text %q was laid out as %q", want, got)
		}
	}
	if fits < 300 {
		t.Errorf("only %d of 2000 layouts were possible: the test says little", fits)
	}
}
