package textsearch

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Upper halves of the standard encodings (ISO 32000-2 Annex D.2), from code 0x80 or 0xa0 on. U+0000
// means that the code has no character.
const (
	macRomanHigh = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø" +
		"¿¡¬√ƒ≈∆«»… ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ"
	winAnsi80  = "€•‚ƒ„…†‡ˆ‰Š‹Œ•Ž••‘’“”•–—˜™š›œ•žŸ"
	standardA0 = "\x00¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ\x00–†‡·\x00¶•‚„”»…‰\x00" +
		"¿\x00`´ˆ˜¯˘˙¨\x00˚¸\x00˝˛ˇ—\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00Æ\x00ª\x00\x00\x00\x00ŁØŒº\x00\x00\x00\x00\x00æ\x00\x00\x00ı\x00\x00łøœß\x00\x00\x00\x00"
	// symbolCapitals and symbolSmall are the Greek letters of Symbol, from code 0x41 and 0x61 on.
	symbolCapitals = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"
	symbolSmall    = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ"
)

// texts is the text of each code of a simple font.
type texts [256]string

// put sets the codes from first on to the characters of s.
func (t *texts) put(first int, s string) {
	for _, r := range s {
		if t[first] = string(r); r == 0 {
			t[first] = ""
		}
		first++
	}
}

func ascii() texts {
	var t texts
	for code := ' '; code <= '~'; code++ {
		t[code] = string(code)
	}
	return t
}

func standardEncoding() texts {
	t := ascii()
	t['\''], t['`'] = "’", "‘"
	t.put(0xa0, standardA0)
	return t
}

func winAnsiEncoding() texts {
	t := ascii()
	t.put(0x80, winAnsi80)
	for code := 0xa0; code <= 0xff; code++ {
		t[code] = string(rune(code))
	}
	return t
}

func macRomanEncoding() texts {
	t := ascii()
	t.put(0x80, macRomanHigh)
	return t
}

func symbolEncoding() texts {
	t := ascii()
	t.put('A', symbolCapitals)
	t.put('a', symbolSmall)
	return t
}

// encoding returns the texts of a simple font: from its /Encoding (ISO 32000-2 9.6.5), or from the
// encoding that is built into the font.
func (fs *fonts) encoding(dict *pdf.Dict, kind pdf.Name, descriptor *pdf.Dict) (texts, error) {
	v, err := fs.d.Get(dict.Get("Encoding"))
	if err != nil {
		return texts{}, err
	}
	switch v := v.(type) {
	case pdf.Name:
		if t, ok := namedEncoding(v); ok {
			return t, nil
		}
	case *pdf.Dict:
		base, err := fs.d.Name(v.Get("BaseEncoding"))
		if err != nil {
			return texts{}, err
		}
		t, ok := namedEncoding(base)
		if !ok {
			if t, err = fs.builtIn(dict, kind, descriptor); err != nil {
				return texts{}, err
			}
		}
		err = fs.differences(&t, v.Get("Differences"))
		return t, err
	}
	return fs.builtIn(dict, kind, descriptor)
}

func namedEncoding(name pdf.Name) (texts, bool) {
	switch name {
	case "WinAnsiEncoding":
		return winAnsiEncoding(), true
	case "MacRomanEncoding":
		return macRomanEncoding(), true
	case "StandardEncoding":
		return standardEncoding(), true
	}
	return texts{}, false
}

// builtIn returns the encoding of a font that does not name one. It assumes WinAnsi for TrueType
// fonts, because most of them use it.
func (fs *fonts) builtIn(dict *pdf.Dict, kind pdf.Name, descriptor *pdf.Dict) (texts, error) {
	name, err := fs.d.Name(dict.Get("BaseFont"))
	if err != nil {
		return texts{}, err
	}
	switch {
	case kind == "TrueType":
		return winAnsiEncoding(), nil
	case kind == "Type3" || strings.HasSuffix(string(name), "ZapfDingbats"):
		return texts{}, nil
	case name == "Symbol":
		return symbolEncoding(), nil
	}
	head, err := fs.type1Head(descriptor)
	if err != nil && fatal(err) {
		return texts{}, err
	}
	return type1Encoding(head), nil
}

// type1Entry is one line of the encoding in a Type 1 font program (Adobe Type 1 Font Format 2.2).
var type1Entry = regexp.MustCompile(`dup\s+(\d{1,3})\s*/(\S{1,64})\s+put`)

func type1Encoding(head string) texts {
	entries := type1Entry.FindAllStringSubmatch(head, 512)
	if len(entries) == 0 {
		return standardEncoding()
	}
	var t texts
	for _, e := range entries {
		if code, err := strconv.Atoi(e[1]); err == nil && code < len(t) {
			t[code] = nameText(e[2])
		}
	}
	return t
}

// differences applies /Differences: a code, followed by the names for that code and the next ones.
func (fs *fonts) differences(t *texts, o pdf.Object) error {
	list, err := fs.d.Array(o)
	if err != nil {
		return err
	}
	code := int64(0)
	for _, o := range list {
		v, err := fs.d.Get(o)
		if err != nil {
			return err
		}
		switch v := v.(type) {
		case pdf.Number:
			code, _ = v.Int()
		case pdf.Name:
			if code >= 0 && code < int64(len(t)) {
				t[code] = nameText(string(v))
			}
			code++
		}
	}
	return nil
}

//go:embed assets/glyphlist.txt
var glyphList string

// glyphNames is the Adobe Glyph List. It is unpacked when the first font needs it.
var glyphNames = sync.OnceValue(func() map[string]string {
	names := make(map[string]string, 4300)
	for line := range strings.SplitSeq(glyphList, "\n") {
		name, codes, ok := strings.Cut(line, ";")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		var text strings.Builder
		for code := range strings.FieldsSeq(codes) {
			if n, err := strconv.ParseUint(code, 16, 21); err == nil {
				text.WriteRune(rune(n))
			}
		}
		names[name] = text.String()
	}
	return names
})

// nameText returns the text of a glyph name (Adobe Glyph List Specification, clause 2); empty if
// the name is unknown.
func nameText(name string) string {
	name, _, _ = strings.Cut(name, ".")
	if text, ok := glyphNames()[name]; ok {
		return text
	}
	var out strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		text, ok := glyphNames()[part]
		if !ok {
			text = codedName(part)
		}
		out.WriteString(text)
	}
	return out.String()
}

// codedName returns the text of names such as uni20AC, uni00660069 and u1F600.
func codedName(name string) string {
	if hex, ok := strings.CutPrefix(name, "uni"); ok && len(hex) >= 4 && len(hex)%4 == 0 && len(hex) <= maxDestBytes {
		var out strings.Builder
		for ; hex != ""; hex = hex[4:] {
			n, err := strconv.ParseUint(hex[:4], 16, 16)
			if err != nil {
				return ""
			}
			out.WriteRune(rune(n))
		}
		return out.String()
	}
	if hex, ok := strings.CutPrefix(name, "u"); ok && len(hex) >= 4 && len(hex) <= 6 {
		if n, err := strconv.ParseUint(hex, 16, 21); err == nil {
			return string(rune(n))
		}
	}
	return ""
}
