package main_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// hugeGrowth bounds the growth of the proxy's peak RSS. It is generous: it covers buffers and
// garbage that is not collected yet. A tree of one of the documents takes several times as much.
const hugeGrowth = 48 << 20

// peakOf returns the peak RSS of a proxy in bytes. Where it is not known, the test is skipped.
func peakOf(t *testing.T, p *testProxy) int64 {
	t.Helper()
	m, err := p.Memory()
	if err != nil {
		t.Skip(err)
	}
	return m.Peak
}

// numbered returns format n times, each with its number in place of #.
func numbered(n int, format string) string {
	before, after, _ := strings.Cut(format, "#")
	var b strings.Builder
	for i := range n {
		b.WriteString(before)
		b.WriteString(strconv.Itoa(i))
		b.WriteString(after)
	}
	return b.String()
}

// TestHugeStructures checks that XML with a million attributes, levels, namespaces or elements is
// signed, or refused by name, with bounded memory, and that the documents beside it are signed.
func TestHugeStructures(t *testing.T) {
	t.Parallel()
	const million = 1_000_000
	p := newTestProxy(t).start(t)
	xml := client.SignatureInfo{Type: "XAdES"}
	tests := []struct{ name, text, code, cause string }{
		{"first.xml", "<a/>", "", ""},
		{"attributes.xml", "<a" + numbered(million, ` b#=""`) + "/>", "2.2.7", "a tag has more than 4096 attributes"},
		{"long.xml", `<a b="` + strings.Repeat("x", million*2) + `"/>`, "2.2.7", "a tag is longer than"},
		{"namespaces.xml", "<a" + numbered(million, ` xmlns:b#="urn:b"`) + "/>", "2.2.7", "more than"},
		{"deep.xml", strings.Repeat("<a>", million) + strings.Repeat("</a>", million), "2.2.7",
			"elements are nested deeper than 1000"},
		{"wide.xml", "<a>" + numbered(million, `<b Id="i#"/>`) + "</a>", "", ""},
		{"text.xml", "<a>" + strings.Repeat("&amp;", million) + "</a>", "", ""},
		{"comment.xml", "<a><!--" + strings.Repeat("- ", million) + "--></a>", "", ""},
		{"last.xml", "<a/>", "", ""},
	}
	c := newClient(t, p.Instance)
	warm := &client.Request{Reference: "warm", Description: "d", Key: "warm",
		Documents: []client.Document{textDocument("a.xml", "text/xml", "<a/>", xml)}}
	if _, err := c.Sign(t.Context(), warm, new(memorySink)); err != nil {
		t.Fatal(err)
	}
	before := peakOf(t, p)
	r := &client.Request{Reference: "huge", Description: "d", Key: "huge"}
	for _, tt := range tests {
		r.Documents = append(r.Documents, textDocument(tt.name, "text/xml", tt.text, xml))
	}
	op, err := c.SignAsync(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context(), op.Reference); err != nil {
		t.Fatal(err)
	}
	done, err := c.Detail(t.Context(), op.Reference, nil)
	if err != nil || done.Status != client.StatusExecuted || len(done.Documents) != len(tests) {
		t.Fatalf("Detail = %+v, %v, want it executed", done, err)
	}
	for i, tt := range tests {
		d := done.Documents[i]
		signed := d.SignStatus == client.Signed
		if signed != (tt.code == "") || d.ErrorCode != tt.code || !strings.Contains(d.ErrorCause, tt.cause) {
			t.Errorf("%s: %s %s, want %q %q", tt.name, d.SignStatus, d.Failure(), tt.code, tt.cause)
		}
	}
	growth := peakOf(t, p) - before
	t.Logf("the peak RSS grew by %d KiB", growth>>10)
	if growth > hugeGrowth {
		t.Errorf("the peak RSS grew by %d MiB, want at most %d", growth>>20, int64(hugeGrowth)>>20)
	}
}

// gigabyte is the size of the documents of TestGigabyte in bytes.
const gigabyte = 1_000_000_000

// rows is an XML document of gigabyte bytes.
type rows struct{ at int64 }

const (
	rowsHead = "<rows>"
	rowsRow  = "<row><number>4711</number><text>Fatura &amp; Recibo</text><!-- row --></row>\n"
	rowsTail = "</rows>"
)

// Read implements io.Reader.
func (r *rows) Read(p []byte) (n int, err error) {
	const (
		head, row, tail = int64(len(rowsHead)), int64(len(rowsRow)), int64(len(rowsTail))
		blanks          = (gigabyte - head - tail) % row // between the last row and the end tag
	)
	for n < len(p) {
		var text string
		switch at := r.at - head; {
		case r.at == gigabyte:
			return n, io.EOF
		case at < 0:
			text = rowsHead[r.at:]
		case r.at >= gigabyte-tail:
			text = rowsTail[r.at-(gigabyte-tail):]
		case r.at >= gigabyte-tail-blanks:
			text = " "
		default:
			text = rowsRow[at%row:]
		}
		m := copy(p[n:], text)
		n += m
		r.at += int64(m)
	}
	return n, nil
}

// fileSink writes signed contents to files of a folder.
type fileSink struct{ folder string }

func (f fileSink) Begin() error { return nil }

func (f fileSink) Create(i int) (io.WriteCloser, error) { return os.Create(f.path(i)) }

func (f fileSink) path(i int) string { return filepath.Join(f.folder, strconv.Itoa(i)) }

// open opens a signed content.
func (f fileSink) open(t *testing.T, i int) signing.Sized {
	t.Helper()
	file, err := os.Open(f.path(i))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return io.NewSectionReader(file, 0, info.Size())
}

// TestGigabyte signs a document of 1 GB with XAdES and CAdES, and checks that the proxy does not
// keep it in memory: not while it signs, not in the JSON answer and not in the zip file.
func TestGigabyte(t *testing.T) {
	if os.Getenv("GIGABYTE") == "" {
		t.Skip("GIGABYTE is not set: the test needs 6 GB of disk; `make soak` sets it")
	}
	for name, s := range map[string]client.SignatureInfo{
		"XAdES":            {Type: "XAdES"},
		"CAdES enveloping": {Type: "CAdES"},
		"CAdES detached":   {Type: "CAdES", Packaging: "DETACHED"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestProxy(t).start(t)
			c := newClient(t, p.Instance)
			before := peakOf(t, p)
			op, err := c.SignAsync(t.Context(), &client.Request{
				Reference: name, Description: "d", Key: "k", Signature: s,
				Documents: []client.Document{{
					Reference: "a", Name: "a.xml", ContentType: "text/xml", Size: gigabyte,
					Open: func() (io.ReadCloser, error) { return io.NopCloser(bufio.NewReaderSize(new(rows), 1<<20)), nil },
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if end, err := c.Wait(t.Context(), op.Reference); err != nil || end.Status != client.StatusExecuted {
				t.Fatalf("Wait = %+v, %v, want it executed", end, err)
			}
			sink := fileSink{t.TempDir()}
			if _, err := c.Detail(t.Context(), op.Reference, sink); err != nil {
				t.Fatal(err)
			}
			signed := sink.open(t, 0)
			wantZip(t, p, op.ID, signed.Size())
			growth := peakOf(t, p) - before
			t.Logf("%s: %d bytes, the peak RSS grew by %d KiB", name, signed.Size(), growth>>10)
			if growth > hugeGrowth {
				t.Errorf("the peak RSS grew by %d MiB, want at most %d", growth>>20, int64(hugeGrowth)>>20)
			}
			wantGigabyte(t, s, signed)
		})
	}
}

// wantZip fetches the zip file of an operation, which has one entry of that size in bytes.
func wantZip(t *testing.T, p *testProxy, id, size int64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		p.URL+apiPath+"operation/sign/detail/"+strconv.FormatInt(id, 10)+"/documents", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("PRT.1-PRT.2-alice", clients["PRT.1-PRT.2-alice"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || n < size {
		t.Errorf("the zip file has status %d and %d bytes, %v, want at least %d", resp.StatusCode, n, err, size)
	}
}

// wantGigabyte judges the signed document, and compares it with the original.
func wantGigabyte(t *testing.T, s client.SignatureInfo, signed signing.Sized) {
	t.Helper()
	if s.Type == "XAdES" {
		found, err := xades.Verify(t.Context(), signed, xades.VerifyOptions{})
		if err != nil || len(found) != 1 || found[0].Verdict != xades.Valid {
			t.Errorf("the XML has the signatures %+v, %v, want a valid one", found, err)
			return
		}
		at := found[0].Start
		wantRows(t, io.MultiReader(io.NewSectionReader(signed, 0, at),
			io.NewSectionReader(signed, found[0].End, signed.Size()-found[0].End)))
		return
	}
	var options cades.VerifyOptions
	if s.Packaging != "" {
		path := filepath.Join(t.TempDir(), "original")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n, err := io.Copy(f, new(rows))
		if err != nil {
			t.Fatal(err)
		}
		options.Content = io.NewSectionReader(f, 0, n)
	}
	report, err := cades.Verify(t.Context(), signed, options)
	if err != nil || report.Verdict() != cades.Valid {
		t.Errorf("the file has the report %+v, %v, want a valid signature", report, err)
		return
	}
	if s.Packaging != "" {
		return
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(cades.CopyContent(t.Context(), signed, w)) }()
	wantRows(t, r)
}

// wantRows checks that r has the bytes of the original.
func wantRows(t *testing.T, r io.Reader) {
	t.Helper()
	got, want := bufio.NewReaderSize(r, 1<<20), bufio.NewReaderSize(new(rows), 1<<20)
	var n int64
	for ; ; n++ {
		a, errA := got.ReadByte()
		b, errB := want.ReadByte()
		if errA == io.EOF && errB == io.EOF && n == gigabyte {
			return
		}
		if a != b || errA != nil || errB != nil {
			t.Errorf("byte %d of the content is %q, %v, want %q, %v", n, a, errA, b, errB)
			return
		}
	}
}
