package pdf

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestEncrypted reads and updates files of all revisions of the standard security handler whose
// user password is empty.
func TestEncrypted(t *testing.T) {
	files, err := filepath.Glob("testdata/encrypted/[ar]*.pdf")
	if err != nil || len(files) < 7 {
		t.Fatalf("Glob = %v, %v, want the samples", files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			d := open(t, b)
			if d.loader.crypt == nil || d.Permissions()&4 == 0 {
				t.Errorf("encrypted = %v, Permissions() = %x", d.loader.crypt != nil, d.Permissions())
			}
			wantSecrets(t, d, "A secret (string)")
			u, err := NewUpdate(d)
			if err != nil {
				t.Fatal(err)
			}
			page, err := d.Page(0)
			if err != nil {
				t.Fatal(err)
			}
			dict, err := u.EditDict(page.Ref)
			if err != nil {
				t.Fatal(err)
			}
			dict.Set("Note", Text("another secret"))
			stm := u.Add(NewStream(NewDict(), []byte("new data")))
			dict.Set("New", stm)
			slot := NewSlot([]byte("<41>"))
			sig := u.Add(NewDict("ByteRange", Array{}, "Contents", slot))
			usage := u.Add(NewDict("UR3", NewDict("ByteRange", Array{}, "Contents", Bytes([]byte("\x00B")))))
			section, err := u.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(section), "another") || strings.Contains(string(section), "new data") {
				t.Error("the section holds plain text")
			}
			again := open(t, append(b, section...))
			wantSecrets(t, again, "another secret")
			if got := streamText(t, again, stm); got != "new data" {
				t.Errorf("new stream = %q", got)
			}
			if s, _ := wantDict(t, again, sig).Get("Contents").(String); s.Value != "A" {
				t.Errorf("/Contents of a signature = %q, want it as it is", s.Value)
			}
			inner, _ := wantDict(t, again, usage).Get("UR3").(*Dict)
			if s, _ := inner.Get("Contents").(String); s.Value != "\x00B" || !strings.Contains(string(section), "<0042>") {
				t.Errorf("/Contents of a direct signature = %q, want it as it is", s.Value)
			}
		})
	}
}

func wantSecrets(t *testing.T, d *Document, note string) {
	t.Helper()
	p, err := d.Page(0)
	if err != nil {
		t.Fatalf("Page(0): %v", err)
	}
	if s, _ := p.Dict.Get("Note").(String); s.Value != note {
		t.Errorf("/Note = %q, want %q", s.Value, note)
	}
	if got := streamText(t, d, p.Dict.Get("Contents")); !strings.Contains(got, "the content of a stream") {
		t.Errorf("/Contents = %q", got)
	}
}

func streamText(t *testing.T, d *Document, o Object) string {
	t.Helper()
	v, err := d.Get(o)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	stm, ok := v.(*Stream)
	if !ok {
		t.Fatalf("Get = %T, want a stream", v)
	}
	r, err := d.Data(stm)
	if err != nil {
		t.Fatalf("Data: %v", err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read stream: %v", err)
	}
	return string(b)
}

func TestPasswordNeeded(t *testing.T) {
	for _, name := range []string{"password-aes-256-r6.pdf", "password-rc4-128-r3.pdf"} {
		b, err := os.ReadFile(filepath.Join("testdata/encrypted", name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(strings.NewReader(string(b)), int64(len(b)))
		wantKind(t, err, signing.KindEncrypted, "needs a password")
	}
}

func TestEncryptionRefused(t *testing.T) {
	pad := strings.Repeat("00", 32)
	for _, tt := range []struct {
		name, dict string
		kind       signing.Kind
		text       string
	}{
		{"other handler", "/Filter/Adobe.PubSec/V 4", signing.KindEncrypted, "security handler"},
		{"version 3", "/Filter/Standard/V 3/R 3/O<" + pad + ">/U<" + pad + ">", signing.KindUnsupported, "version 3"},
		{"revision 9", "/Filter/Standard/V 5/R 9", signing.KindUnsupported, "revision 9"},
		{"version 2, revision 6", "/Filter/Standard/V 2/R 6", signing.KindDamaged, "do not match"},
		{"short /U", "/Filter/Standard/V 2/R 3/O<" + pad + ">/U<00>", signing.KindDamaged, "incomplete"},
		{"long key", "/Filter/Standard/V 2/R 3/Length 4000/O<" + pad + ">/U<" + pad + ">", signing.KindDamaged, "length"},
		{"crypt filter missing", "/Filter/Standard/V 4/R 4/StmF/X/O<" + pad + ">/U<" + pad + ">", signing.KindDamaged,
			"crypt filter"},
		{"crypt filter unknown", "/Filter/Standard/V 4/R 4/CF<</X<</CFM/Y>>>>/StmF/X/O<" + pad + ">/U<" + pad + ">",
			signing.KindUnsupported, "method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder().catalog()
			b.table("/Encrypt<<" + tt.dict + ">>")
			_, err := Open(strings.NewReader(b.String()), int64(b.Len()))
			wantKind(t, err, tt.kind, tt.text)
		})
	}
}

// TestCBCReader reads encrypted streams whose length is near a multiple of the reader's buffer.
func TestCBCReader(t *testing.T) {
	b, err := os.ReadFile("testdata/encrypted/aes-128-r4.pdf")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, b)
	for _, n := range []int{0, 1, 15, 16, 17, 4063, 4064, 4065, 4080, 4095, 4096, 8192, 100_000} {
		u, err := NewUpdate(d)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("0123456789abcdefX", n)[:n]
		ref := u.Add(NewStream(NewDict(), []byte(want)))
		section, err := u.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got := streamText(t, open(t, append(b[:len(b):len(b)], section...)), ref); got != want {
			t.Errorf("%d bytes came back as %d others", n, len(got))
		}
	}
}
