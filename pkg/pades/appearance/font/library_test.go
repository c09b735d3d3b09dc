package font

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testFonts = "../testdata/fonts"

func testFont(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testFonts, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// folder writes files into a new folder.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpenLibraryKeepsTheOrderOfFileNames(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"20-a.ttf":    testFont(t, "NotoSansThai.ttf"),
		"10-b.OTF":    testFont(t, "NotoSansCJKsc.otf"),
		"30.ttf":      testFont(t, "NotoSansArabic.ttf"),
		"OFL.txt":     []byte("a licence"),
		".hidden.ttf": []byte("not read"),
	})
	l, err := OpenLibrary(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range l.Faces() {
		names = append(names, f.Name())
	}
	if got, want := strings.Join(
		names, " ",
	), "NotoSansCJKsc-Regular NotoSansThai-Regular NotoSansArabic-Regular"; got != want {
		t.Errorf("Faces = %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"Noto Sans Thai": "NotoSansThai-Regular", "noto sans arabic regular": "NotoSansArabic-Regular", "arial": "", "": "",
	} {
		found := ""
		if f := l.Find(name); f != nil {
			found = f.Name()
		}
		if found != want {
			t.Errorf("Find(%q) = %q, want %q", name, found, want)
		}
	}
}

// TestOpenLibraryFollowsLinks reads a folder as Kubernetes mounts it: file names are links into a
// hidden folder.
func TestOpenLibraryFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "..2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..2026", "thai.ttf"), testFont(t, "NotoSansThai.ttf"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"..data": "..2026", "thai.ttf": filepath.Join("..data", "thai.ttf")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := OpenLibrary(dir); err != nil || len(l.Faces()) != 1 {
		t.Errorf("OpenLibrary = %v, %v, want one font", l, err)
	}
}

// edited returns a font with a table changed.
func edited(t *testing.T, name, table string, edit func([]byte)) []byte {
	t.Helper()
	b := bytes.Clone(testFont(t, name))
	for i := range int(u16(b[4:])) {
		entry := b[12+16*i:]
		if string(entry[:4]) == table {
			at := u32(entry[8:])
			edit(b[at : at+u32(entry[12:])])
			return b
		}
	}
	t.Fatalf("%s has no table %s", name, table)
	return nil
}

func withLicence(t *testing.T, bits uint16) []byte {
	return edited(t, "NotoSansThai.ttf", "OS/2", func(os2 []byte) { binary.BigEndian.PutUint16(os2[8:], bits) })
}

// renamed gives a table another name, so that the font lacks it.
func renamed(t *testing.T, name, table string) []byte {
	b := bytes.Clone(testFont(t, name))
	i := bytes.Index(b[:400], []byte(table))
	copy(b[i:], "zzzz")
	return b
}

// TestOpenLibraryNamesEveryMistake tests that the error names all broken and forbidden fonts at
// once, each with its reason.
func TestOpenLibraryNamesEveryMistake(t *testing.T) {
	thai := testFont(t, "NotoSansThai.ttf")
	tests := map[string]struct {
		content []byte
		want    string
	}{
		"empty.ttf":      {nil, "not a TrueType or OpenType font"},
		"text.otf":       {[]byte("Dear Sir or Madam"), "not a TrueType or OpenType font"},
		"cut.ttf":        {thai[:len(thai)/2], "a table is too short"},
		"directory.ttf":  {thai[:40], "a table is too short"},
		"collection.ttc": {[]byte("ttcf\x00\x01\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff"), "not a TrueType or OpenType font"},
		"restricted.ttf": {withLicence(t, 0x0002), "its licence bits (fsType 0x0002 in table OS/2) forbid embedding"},
		"whole.ttf": {
			withLicence(t, 0x0104),
			"its licence bits (fsType 0x0104 in table OS/2) forbid embedding of a subset",
		},
		"bitmaps.ttf": {
			withLicence(t, 0x0200),
			"its licence bits (fsType 0x0200 in table OS/2) forbid embedding of outlines",
		},
		"nocmap.ttf":     {renamed(t, "NotoSansThai.ttf", "cmap"), "table cmap is missing"},
		"nooutlines.ttf": {renamed(t, "NotoSansThai.ttf", "glyf"), "it has no outlines"},
		"nocff.otf":      {renamed(t, "NotoSansCJKsc.otf", "CFF "), "it has no outlines"},
		"badcff.otf":     {edited(t, "NotoSansCJKsc.otf", "CFF ", func(b []byte) { clear(b[4:]) }), "table CFF"},
		"units.ttf":      {edited(t, "NotoSansThai.ttf", "head", func(b []byte) { clear(b[18:20]) }), "unitsPerEm is 0"},
	}
	files := map[string][]byte{
		"good.ttf":    thai,
		"preview.ttf": withLicence(t, 0x0004),
		"either.ttf":  withLicence(t, 0x000a),
	}
	for name, tt := range tests {
		files[name] = tt.content
	}
	dir := folder(t, files)
	_, err := OpenLibrary(dir)
	if err == nil {
		t.Fatal("OpenLibrary accepted the folder")
	}
	for name, tt := range tests {
		if want := fmt.Sprintf("font %s: %s", filepath.Join(dir, name), tt.want); !strings.Contains(err.Error(), want) {
			t.Errorf("OpenLibrary = %v, want it to hold %q", err, want)
		}
	}
	for _, name := range []string{"good.ttf", "preview.ttf", "either.ttf"} {
		if strings.Contains(err.Error(), name) {
			t.Errorf("OpenLibrary = %v, want %s accepted", err, name)
		}
	}
}

func TestOpenLibraryIsBounded(t *testing.T) {
	many := make(map[string][]byte)
	for i := range maxFonts + 1 {
		many[fmt.Sprintf("%d.ttf", i)] = nil
	}
	if _, err := OpenLibrary(folder(t, many)); err == nil || !strings.Contains(err.Error(), "65 fonts") ||
		!strings.Contains(err.Error(), "at most 64") {
		t.Errorf("OpenLibrary of %d fonts = %v, want it refused", len(many), err)
	}
	for name, tt := range map[string]struct {
		size int64
		left int64
		want string
	}{
		"one":    {maxFontBytes + 1, maxFolderBytes, "larger than 32 MiB"},
		"folder": {2000, 1999, "the fonts in the folder exceed 64 MiB"},
	} {
		path := filepath.Join(folder(t, map[string][]byte{"a.ttf": nil}), "a.ttf")
		if err := os.Truncate(path, tt.size); err != nil { // it takes no room on the disk
			t.Fatal(err)
		}
		if _, err := readFont(path, tt.left); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: readFont = %v, want %q", name, err, tt.want)
		}
	}
	if _, err := OpenLibrary(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no font in") {
		t.Errorf("OpenLibrary of an empty folder = %v, want it refused", err)
	}
}

// TestNoLibrary tests that a nil Library behaves as one without fonts.
func TestNoLibrary(t *testing.T) {
	var l *Library
	if l.Faces() != nil || l.Find("arial") != nil {
		t.Error("a nil Library has fonts")
	}
}
