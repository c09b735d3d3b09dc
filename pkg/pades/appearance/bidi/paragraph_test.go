package bidi

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestConformance checks levels and visual order with those cases of the Unicode Character Database
// whose direction comes from the text itself.
func TestConformance(t *testing.T) {
	file, err := os.ReadFile("testdata/BidiCharacterTest-sample.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), ";")
		text := codePoints(t, fields[0])
		p := Analyze(text)
		if fields[1] != "2" && fields[1] != fmt.Sprint(p.Level) {
			continue // a direction that is forced on the text
		}
		cases++
		levels := p.Line(0, len(text))
		var shown []uint8
		var index []int
		for i, want := range strings.Fields(fields[3]) {
			if want == "x" {
				continue
			}
			if fmt.Sprint(levels[i]) != want {
				t.Errorf("%s: levels = %d", line, levels)
				break
			}
			shown, index = append(shown, levels[i]), append(index, i)
		}
		var order []string
		for _, i := range VisualOrder(shown) {
			order = append(order, fmt.Sprint(index[i]))
		}
		if got := strings.Join(order, " "); fmt.Sprint(p.Level) != fields[2] || got != fields[4] {
			t.Errorf("%s: level %d, order %s", line, p.Level, got)
		}
		if !NeedsAnalysis(text) && slices.Max(append(levels, 0)) > 0 {
			t.Errorf("%s: NeedsAnalysis = false", line)
		}
	}
	if cases < 300 {
		t.Errorf("only %d cases were tried: the test says little", cases)
	}
}

func codePoints(t *testing.T, s string) []rune {
	t.Helper()
	var text []rune
	for hex := range strings.FieldsSeq(s) {
		r, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, rune(r))
	}
	return text
}

// TestLineResetsTrailingBlanks breaks a line after a blank inside right-to-left text.
func TestLineResetsTrailingBlanks(t *testing.T) {
	p := Analyze([]rune("a אב גד"))
	if got, want := p.Levels, []uint8{0, 0, 1, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("Levels = %d, want %d", got, want)
	}
	if got, want := p.Line(0, 5), []uint8{0, 0, 1, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("Line = %d, want %d", got, want)
	}
}

func TestVisualOrder(t *testing.T) {
	if got, want := VisualOrder([]uint8{1, 2, 1, 0}), []int{2, 1, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("VisualOrder = %d, want %d", got, want)
	}
}

func FuzzAnalyze(f *testing.F) {
	f.Add("abc \u2067אב\u2069 (ג) 12")
	f.Add(strings.Repeat("\u202e\u2068[", 70))
	f.Fuzz(func(t *testing.T, s string) {
		text := []rune(s)
		if p := Analyze(text); len(p.Levels) != len(text) || slices.Max(append(p.Levels, 0)) > maxDepth+2 {
			t.Errorf("Analyze(%q) = %d", s, p.Levels)
		}
	})
}
