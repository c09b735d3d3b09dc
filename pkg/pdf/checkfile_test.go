package pdf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const strayObject = "13 0 obj\n(forged)\nendobj\n"

// shifted puts other bytes before the file and changes the offsets so that they count from the
// first of these bytes.
func shifted(before, file string) string {
	move := func(digits, format string) string {
		n, err := strconv.Atoi(digits)
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf(format, n+len(before))
	}
	entry := regexp.MustCompile(`\d{10} 00000 n`)
	file = entry.ReplaceAllStringFunc(file, func(s string) string { return move(s[:10], "%010d") + s[10:] })
	return before + regexp.MustCompile(`startxref\n\d+`).ReplaceAllStringFunc(file, func(s string) string {
		return "startxref\n" + move(strings.TrimPrefix(s, "startxref\n"), "%d")
	})
}

// revised appends a revision of one object to a file with a table. between stands before the
// object, beside behind it.
func revised(file, between, beside string) string {
	file += between
	at := len(file)
	file += "4 0 obj\n(new)\nendobj\n" + beside
	table := len(file)
	prev := regexp.MustCompile(`startxref\n(\d+)`).FindAllStringSubmatch(file, -1)
	return file + fmt.Sprintf(
		"xref\n4 1\n%010d 00000 n \ntrailer\n<</Size 5/Root 1 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n",
		at,
		prev[len(prev)-1][1],
		table,
	)
}

// TestCheckFile checks that CheckFile refuses a file that other readers repair, and that the error
// names the bytes that make them repair it.
func TestCheckFile(t *testing.T) {
	b := newBuilder().catalog()
	b.table("")
	file := b.String()
	stream := newBuilder().catalog()
	stream.xrefStream(4, "")
	again := file[strings.LastIndex(file, "startxref"):]
	for _, tt := range []struct {
		name, file string
		kind       signing.Kind
		text       string
	}{
		{"table", file, "", ""},
		{"stream", stream.String(), "", ""},
		{"no end of line", strings.TrimSpace(file), "", ""},
		{"no %%EOF", strings.TrimSuffix(file, "%%EOF\n"), "", ""},
		{"white space and zeros behind", file + " \t\r\n\x00\x00\n", "", ""},
		{"comment behind", file + "% made by hand\n", "", ""},
		{"two ends", file + again, "", ""},
		{"two revisions", revised(file, "", ""), "", ""},
		{"white space between revisions", revised(file, "  \r\n\n", ""), "", ""},
		{"comment between revisions", revised(file, "%%EOF\n% second revision\n", ""), "", ""},
		{"offsets point to white space", shifted("", strings.ReplaceAll(file, "\nxref", " \nxref")), "", ""},
		{"text behind", file + "garbage", signing.KindDamaged, fmt.Sprintf("bytes from %d on", len(file))},
		{"text behind a stream", stream.String() + "garbage", signing.KindDamaged,
			fmt.Sprintf("bytes from %d on", stream.Len())},
		{"object behind", file + strayObject, signing.KindDamaged, fmt.Sprintf("bytes from %d on", len(file))},
		{"object behind, hidden in a comment", file + "%" + strayObject, signing.KindDamaged, "belong to no revision"},
		{"trailer behind, hidden in a comment", file + "% trailer<</Root 13 0 R>>", signing.KindDamaged,
			"belong to no revision"},
		{"object behind with an end of its own", file + strayObject + again, signing.KindDamaged,
			fmt.Sprintf("bytes from %d on", len(file))},
		{"end that names another place", file + "startxref\n7\n%%EOF\n" + again, signing.KindDamaged,
			"belong to no revision"},
		{"many ends", file + strings.Repeat(again, 20), signing.KindTooComplex, "startxref"},
		{"object between revisions", revised(file, strayObject, ""), signing.KindDamaged,
			fmt.Sprintf("bytes from %d on", len(file))},
		{"text between revisions", revised(file, "garbage\n", ""), signing.KindDamaged,
			fmt.Sprintf("bytes from %d on", len(file))},
		{"old object between revisions", revised(file, "1 0 obj\n<</Type/Catalog/Pages 9 0 R>>\nendobj\n", ""),
			signing.KindDamaged, "belong to no revision"},
		{"table from 1", strings.Replace(file, "xref\n0 ", "xref\n1 ", 1), signing.KindDamaged, "starts at object 1"},
		{"table from 1, older revision", revised(strings.Replace(file, "xref\n0 ", "xref\n1 ", 1), "", ""),
			signing.KindDamaged, "starts at object 1"},
		{"blank before the header", " " + file, signing.KindUnsupported, "1 bytes before its header"},
		{"line before the header", "\n" + file, signing.KindUnsupported, "1 bytes before its header"},
		{"mail before the header", "mail header\r\n" + file, signing.KindUnsupported, "13 bytes before its header"},
		{"blank that offsets count", shifted(" ", file), "", ""},
		{"line that offsets count", shifted("\n", file), "", ""},
		{"mail that offsets count", shifted("mail header\r\n", file), "", ""},
		{"1,000 bytes that offsets count", shifted(strings.Repeat("x", 1000), file), "", ""},
		{"one offset that does not count them", strings.Replace(shifted("\n", file), "0000000010", "0000000009", 1),
			signing.KindDamaged, "1 bytes before its header, and object 1 is not at byte 9"},
		{"objects that do not count them", "mail header\r\n" +
			strings.Replace(file, again, again[:10]+strings.Split(shifted("mail header\r\n", again), "\n")[2]+"\n%%EOF\n",
				1), signing.KindDamaged, "13 bytes before its header, and object 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := open(t, []byte(tt.file)).CheckFile(t.Context())
			if tt.kind == "" && err != nil {
				t.Errorf("CheckFile() = %v, want nil", err)
			}
			if tt.kind != "" {
				wantKind(t, err, tt.kind, tt.text)
			}
		})
	}
}

// TestOpenBytesBefore checks that the error names the bytes before the header if no way of counting
// offsets leads to a cross-reference section.
func TestOpenBytesBefore(t *testing.T) {
	b := newBuilder().catalog()
	b.table("")
	file := strings.Replace(b.String(), "startxref\n", "startxref\n9", 1)
	_, err := Open(strings.NewReader(" "+file), int64(len(file)+1))
	wantKind(t, err, signing.KindDamaged, "1 bytes before its header")
}

// TestHeaderWindow puts 1,024 bytes before the header, which readers allow, and one more.
func TestHeaderWindow(t *testing.T) {
	b := newBuilder().catalog()
	b.table("")
	for n, found := range map[int]bool{headerWindow: true, headerWindow + 1: false} {
		file := strings.Repeat("x", n) + b.String()
		_, err := Open(strings.NewReader(file), int64(len(file)))
		if (signing.KindOf(err) != signing.KindNotDocument) != found {
			t.Errorf("%d bytes before the header: Open = %v, want the header to be found: %v", n, err, found)
		}
	}
}

// TestStray checks that Stray distinguishes what a revision lists from other bytes.
func TestStray(t *testing.T) {
	b := newBuilder().catalog()
	b.table("")
	file := b.String()
	begin := int64(len(file))
	const listed = "4 0 obj\n(new)\nendobj\n"
	for _, tt := range []struct {
		name, file string
		at         int64 // -1: there is none
	}{
		{"nothing", file, -1},
		{"white space", file + "\n\n", -1},
		{"revision", revised(file, "", ""), -1},
		{"two revisions", revised(revised(file, "", ""), "\n", ""), -1},
		{"listed object that cannot be read", strings.Replace(revised(file, "", ""), "(new)", "1.#I ", 1), -1},
		{"listed object that cannot be read and holds another",
			strings.Replace(revised(file, "", "    "), "(new)\nendobj\n    ", "#13 0 obj\nendobj\n", 1), begin},
		{"objects alone", file + strayObject, begin},
		{"object before the revision", revised(file, strayObject, ""), begin},
		{"object in the revision", revised(file, "", strayObject), begin + int64(len(listed))},
		{"comment in the revision", revised(file, "", "% nothing\n"), -1},
		{"object in a comment of the revision", revised(file, "", "%"+strayObject), begin + int64(len(listed+"%13 0 ob"))},
		{"other object of the number", revised(file, "", listed), begin + int64(len(listed))},
		{"trailer alone", revised(file, "", "trailer\n<</Root 13 0 R>>\n"), begin + int64(len(listed))},
		{"revision that the next one skips", strings.Replace(revised(revised(file, "", ""), "\n", ""),
			fmt.Sprintf("/Prev %d>>\nstartxref\n%d", begin+int64(len(listed)), len(revised(file, "", ""))+1+len(listed)),
			fmt.Sprintf("/Prev %s>>\nstartxref\n%d", regexp.MustCompile(`startxref\n(\d+)`).FindStringSubmatch(file)[1],
				len(revised(file, "", ""))+1+len(listed)), 1), begin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, found, err := open(t, []byte(tt.file)).Stray(t.Context(), begin, int64(len(tt.file)))
			if err != nil || found != (tt.at >= 0) || found && at != tt.at {
				t.Errorf("Stray() = %d, %v, %v, want %d", at, found, err, tt.at)
			}
		})
	}
}
