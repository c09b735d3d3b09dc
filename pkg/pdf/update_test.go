package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// qpdfCheck fails the test if qpdf reports a problem.
func qpdfCheck(t *testing.T, file []byte) {
	t.Helper()
	tool, err := exec.LookPath("qpdf")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("qpdf is missing")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "file.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "--check", path).CombinedOutput(); err != nil {
		t.Errorf("qpdf --check: %v\n%s", err, out)
	}
}

func TestUpdate(t *testing.T) {
	table := newBuilder().catalog()
	table.object(7, "<</Keep 1.50/Raw(\\101)>>")
	table.table("/ID[<01><02>]/Info 7 0 R/Custom/Value")
	stream := newBuilder()
	stream.objectStream(9, 1, "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>",
		"<</Type/Page/Parent 2 0 R>>")
	stream.object(7, "<</Keep 1.50/Raw(\\101)>>")
	stream.xrefStream(10, "/ID[<01><02>]/Info 7 0 R/Custom/Value")
	hybrid := newBuilder().catalog()
	hybrid.object(7, "<</Keep 1.50/Raw(\\101)>>")
	at := hybrid.Len()
	hybrid.stream(6, "/Type/XRef/Size 8/W[1 2 1]/Index[0 1]/Root 1 0 R", []byte{0, 0, 0, 0})
	hybrid.table(fmt.Sprintf("/ID[<01><02>]/Info 7 0 R/Custom/Value/XRefStm %d", at))
	for _, tt := range []struct {
		name, file string
		stream     bool
	}{
		{"table", table.String(), false},
		{"stream", stream.String(), true},
		{"hybrid", hybrid.String(), false},
		{"no end of line", strings.TrimSuffix(table.String(), "\n"), false},
		{"garbage behind", stream.String() + "garbage", true},
		{"zeros behind", table.String() + strings.Repeat("\x00", 3000), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := []byte(tt.file)
			for round := range 4 {
				file = appendUpdate(t, file, round)
			}
			d := open(t, file)
			if len(d.xref.sections) != 5 || d.xref.newest().stream != tt.stream {
				t.Errorf("%d revisions, the last a stream: %v, want 5 and %v", len(d.xref.sections), d.xref.newest().stream,
					tt.stream)
			}
			for _, key := range []Name{"ID", "Info", "Custom", "Root"} {
				if !d.Trailer().Has(key) {
					t.Errorf("the trailer lost /%s", key)
				}
			}
			if d.Trailer().Has("XRefStm") {
				t.Error("the trailer carries /XRefStm on")
			}
			qpdfCheck(t, file)
		})
	}
}

// appendUpdate changes the page and object 7, adds a stream and an object that was reserved first,
// and reads everything back.
func appendUpdate(t *testing.T, file []byte, round int) []byte {
	t.Helper()
	d := open(t, file)
	u, err := NewUpdate(d)
	if err != nil {
		t.Fatal(err)
	}
	reserved := u.Reserve()
	page, err := u.EditDict(Ref{3, 0})
	if err != nil {
		t.Fatal(err)
	}
	slot := NewSlot([]byte("(0123)"))
	page.Set("Slot", slot)
	page.Set("Round", Int(int64(round)))
	edited, err := u.EditDict(Ref{7, 0})
	if err != nil {
		t.Fatal(err)
	}
	edited.Set("Odd #name", Array{true, nil, Real(1.25), reserved, Bytes([]byte{0xff})})
	data := strings.Repeat("data ", round)
	stm := u.Add(NewStream(NewDict("A", Name("B")), []byte(data)))
	u.Put(reserved, Text("later"))
	section, err := u.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	out := append(bytes.Clone(file), section...)
	if at := slot.Offset(); !bytes.HasPrefix(out[at:], []byte("(0123)")) {
		t.Errorf("the slot is not at its offset %d", at)
	}
	again := open(t, out)
	if got := wantDict(t, again, Ref{3, 0}); got.Get("Round") != Int(int64(round)) {
		t.Errorf("/Round = %v, want %d", got.Get("Round"), round)
	}
	got := wantDict(t, again, Ref{7, 0})
	if raw := got.Get("Raw").(String); raw.source != "(\\101)" || got.Get("Keep") != Number("1.50") {
		t.Errorf("what was there changed: %v", got)
	}
	if list, _ := got.Get("Odd #name").(Array); len(list) != 5 || list[3] != reserved {
		t.Errorf("the new entry = %v", got.Get("Odd #name"))
	}
	if text := streamText(t, again, stm); text != data {
		t.Errorf("the new stream = %q, want %q", text, data)
	}
	start, end, ok, err := again.ValueSpan(Ref{3, 0}, "Slot")
	if !ok || err != nil || start != slot.Offset() || end != start+6 {
		t.Errorf("ValueSpan = %d, %d, %v, %v, want %d and 6 more", start, end, ok, err, slot.Offset())
	}
	return out
}

func TestUpdateRefuses(t *testing.T) {
	b := newBuilder().catalog()
	b.object(4, "<</A 1/A 2>>")
	b.table("")
	u, err := NewUpdate(open(t, b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.EditDict(Ref{4, 0})
	wantKind(t, err, signing.KindDamaged, "twice")
	_, err = u.EditDict(Ref{99, 0})
	wantKind(t, err, signing.KindDamaged, "not a dictionary")

	full := strings.Replace(b.String(), "/Size 5", "/Size 8388607", 1)
	_, err = NewUpdate(open(t, []byte(full)))
	wantKind(t, err, signing.KindTooComplex, "no room")
}

// TestNewNumbers wants new objects above what any trailer counts and any section lists, even where
// /Size is too small.
func TestNewNumbers(t *testing.T) {
	b := newBuilder().catalog()
	b.object(20, "1")
	b.table("")
	file := strings.Replace(b.String(), "/Size 21", "/Size 5", 1)
	u, err := NewUpdate(open(t, []byte(file)))
	if err != nil {
		t.Fatal(err)
	}
	if ref := u.Reserve(); ref.Number != 21 {
		t.Errorf("Reserve() = %v, want 21", ref)
	}
}

func TestPrefixAndChanges(t *testing.T) {
	b := newBuilder().catalog()
	b.object(7, "<</Keep 1.50/Raw(\\101)>>")
	b.table("")
	first := b.Bytes()
	second := appendUpdate(t, first, 1)
	d := open(t, second)
	p, err := d.Prefix(int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if wantDict(t, p, Ref{3, 0}).Has("Round") || !wantDict(t, d, Ref{3, 0}).Has("Round") {
		t.Error("the prefix is not the older revision")
	}
	changed, err := d.ChangedSince(p)
	if got := fmt.Sprint(changed); got != "[3 7 8 9]" || err != nil {
		t.Errorf("ChangedSince = %s, %v, want 3, 7, 8 and 9", got, err)
	}
	if _, err := d.Prefix(int64(len(second)) + 1); err == nil {
		t.Error("Prefix beyond the end opened")
	}
}

// sparse is a file of a given size. All of its bytes are zero, except for its parts.
type sparse struct {
	parts map[int64][]byte
	size  int64
	read  int64 // bytes asked for
}

// ReadAt implements io.ReaderAt.
func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size-off))
	clear(p[:n])
	s.read += int64(n)
	for at, b := range s.parts {
		if at < off+int64(n) && off < at+int64(len(b)) {
			copy(p[max(0, at-off):n], b[max(0, off-at):])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestLargeFiles updates files that are larger than 2^31, 2^32 and the ten digits of a table. Their
// objects are near the end.
func TestLargeFiles(t *testing.T) {
	for _, tt := range []struct {
		size   int64
		stream bool
		fails  bool
	}{
		{1<<31 - 3000, false, false}, {1<<31 + 5000, false, false}, {1<<32 + 5000, false, false}, {1<<31 + 5000, true, false},
		{1<<32 + 5000, true, false}, {1<<40 + 5000, true, false}, {9_999_990_000, false, false},
		{10_000_000_500, false, true},
	} {
		t.Run(fmt.Sprintf("%d stream %v", tt.size, tt.stream), func(t *testing.T) {
			base := tt.size - 3000
			if !tt.stream {
				base = min(base, 9_999_980_000)
			}
			objects, start := largeObjects(base, tt.stream)
			end := fmt.Sprintf("startxref\n%d\n%%%%EOF\n", start)
			f := &sparse{size: tt.size, parts: map[int64][]byte{
				0: []byte("%PDF-1.7\n"), base: objects, tt.size - int64(len(end)): []byte(end),
			}}
			updateLarge(t, f, tt.fails)
		})
	}
}

// largeObjects returns a catalog, a page and a cross-reference section of either kind, for offset
// base.
func largeObjects(base int64, stream bool) (b []byte, start int64) {
	var tail bytes.Buffer
	var offsets []int64
	for i, body := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page>>"} {
		offsets = append(offsets, base+int64(tail.Len()))
		fmt.Fprintf(&tail, "%d 0 obj %s endobj\n", i+1, body)
	}
	start = base + int64(tail.Len())
	if !stream {
		tail.WriteString("xref\n1 3\n")
		for _, o := range offsets {
			fmt.Fprintf(&tail, "%010d 00000 n \n", o)
		}
		tail.WriteString("trailer <</Size 4/Root 1 0 R>>\n")
		return tail.Bytes(), start
	}
	var rows []byte
	for _, o := range append(offsets, start) {
		rows = append(rows, 1)
		rows = append(rows, binary.BigEndian.AppendUint64(nil, uint64(o))[2:]...)
	}
	fmt.Fprintf(
		&tail,
		"4 0 obj <</Type/XRef/Size 5/W[1 6 0]/Index[1 4]/Root 1 0 R/Length %d>>stream\n%s\nendstream endobj\n",
		len(rows),
		rows,
	)
	return tail.Bytes(), start
}

func updateLarge(t *testing.T, f *sparse, fails bool) {
	t.Helper()
	d, err := Open(f, f.size)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	u, err := NewUpdate(d)
	if err != nil {
		t.Fatal(err)
	}
	page, err := u.EditDict(Ref{3, 0})
	if err != nil {
		t.Fatal(err)
	}
	page.Set("New", Name("Value"))
	section, err := u.Bytes()
	if fails {
		wantKind(t, err, signing.KindUnsupported, "10 GB")
		return
	}
	if err != nil {
		t.Fatalf("Bytes: %v", err)
	}
	f.parts[f.size] = section
	f.size += int64(len(section))
	again, err := Open(f, f.size)
	if err != nil {
		t.Fatalf("Open the updated file: %v", err)
	}
	if wantDict(t, again, Ref{3, 0}).Get("New") != Name("Value") {
		t.Error("the update is missing")
	}
	if f.read > 200_000 {
		t.Errorf("%d bytes were read, want what is needed", f.read)
	}
}
