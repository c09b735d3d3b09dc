package font

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Bounds on a folder of fonts. The largest fonts in use, with all Chinese, Japanese and Korean
// characters, take 16 to 27 MB each. Fonts stay in memory, and a pod has 512 MiB.
const (
	maxFonts       = 64
	maxFontBytes   = 32 << 20
	maxFolderBytes = 64 << 20
)

// extensions are those of font files. All other files in the folder, such as licences, are ignored.
var extensions = []string{".ttf", ".otf", ".ttc"}

// Library holds the operator's own fonts. It is immutable and safe for concurrent use. A nil
// Library has no fonts.
type Library struct{ faces []*Face }

// OpenLibrary reads the fonts of a folder, in the order of their file names. It reads TrueType and
// OpenType files, and the first font of a collection. The error joins all mistakes and names the
// file of each.
func OpenLibrary(folder string) (*Library, error) {
	names, err := fontFiles(folder)
	if err != nil {
		return nil, err
	}
	var l Library
	var mistakes []error
	left := int64(maxFolderBytes)
	for _, name := range names {
		path := filepath.Join(folder, name)
		content, err := readFont(path, left)
		if err == nil {
			left -= int64(len(content))
			var face *Face
			if face, err = parseOwn(path, content); err == nil {
				l.faces = append(l.faces, face)
			}
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("font %s: %w", path, err))
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return &l, nil
}

// fontFiles lists the font files of a folder. It skips names that begin with a dot, because
// Kubernetes uses them for its links.
func fontFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) {
			names = append(names, e.Name())
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("no font in %s: want files that end in %s", folder, strings.Join(extensions, ", "))
	case len(names) > maxFonts:
		return nil, fmt.Errorf("%d fonts in %s: want at most %d", len(names), folder, maxFonts)
	}
	return names, nil
}

// readFont reads a whole file. left is how many bytes the folder may still have.
func readFont(path string, left int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	limit := min(left, maxFontBytes)
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxFontBytes:
		return nil, fmt.Errorf("it is larger than %d MiB", maxFontBytes>>20)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("with it, the fonts in the folder exceed %d MiB", maxFolderBytes>>20)
	}
	return b, nil
}

// parseOwn reads one of the operator's fonts.
func parseOwn(path string, content []byte) (*Face, error) {
	p, err := parse(content)
	if err != nil {
		return nil, err
	}
	if err := p.checkLicence(); err != nil {
		return nil, err
	}
	s, err := newShaper(p.tables)
	if err != nil {
		return nil, err
	}
	f := &Face{program: *p, file: path, shaper: func() (*shaper, error) { return s, nil }}
	f.describe()
	f.keep("glyf", "CFF ", "head", "hhea", "hmtx", "maxp")
	if f.cff != nil { // it still refers to the table of the whole file
		f.cff, err = parseCFF(f.tables["CFF "], f.count)
	}
	return f, err
}

// describe sets the names and the style of the font from its tables.
func (f *Face) describe() {
	names := readNames(f.tables["name"])
	base := strings.TrimSuffix(filepath.Base(f.file), filepath.Ext(f.file))
	f.name = cmp.Or(postScriptName(names[6]), postScriptName(base), "Font")
	for _, id := range []int{1, 4, 6, 16} { // family, full name, PostScript name, typographic family
		if n := plainName(names[id]); n != "" {
			f.names = append(f.names, n)
		}
	}
	if post := f.tables["post"]; len(post) >= 16 {
		f.italic = u32(post[4:]) != 0
		f.mono = u32(post[12:]) != 0
	}
}

// readNames returns the names in table name, keyed by name ID (ISO/IEC 14496-22, 5.1.7). English
// names are preferred; otherwise the first one is taken. Only names for Windows, in UTF-16, are
// read.
func readNames(b []byte) map[int]string {
	names := make(map[int]string)
	if len(b) < 6 {
		return names
	}
	strings := int(u16(b[4:]))
	for i := range int(u16(b[2:])) {
		at := 6 + 12*i
		if len(b) < at+12 {
			break
		}
		platform, language, id := u16(b[at:]), u16(b[at+4:]), int(u16(b[at+6:]))
		length, offset := int(u16(b[at+8:])), strings+int(u16(b[at+10:]))
		const windows, english = 3, 0x0409
		if platform != windows || offset+length > len(b) || names[id] != "" && language != english {
			continue
		}
		names[id] = decodeUTF16(b[offset : offset+length])
	}
	return names
}

// postScriptName keeps the characters that are allowed in names everywhere, at most 63 of them.
func postScriptName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 63)]
}

// plainName reduces a font name to lower-case letters and digits, so that different spellings are
// equal.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// Faces returns the fonts in the order in which they are tried.
func (l *Library) Faces() []*Face {
	if l == nil {
		return nil
	}
	return l.faces
}

// Find returns the font that a request names, by its family name or its own name in any spelling.
// It returns nil if there is none.
func (l *Library) Find(name string) *Face {
	plain := plainName(name)
	for _, f := range l.Faces() {
		if plain != "" && slices.Contains(f.names, plain) {
			return f
		}
	}
	return nil
}

// File returns the path that the font was read from. It is empty for a built-in font.
func (f *Face) File() string { return f.file }
