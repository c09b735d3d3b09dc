package store_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// orderHelper takes one operation with large sections through its life, and writes a mark to
// standard output after each promise.
func orderHelper() error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Folder: os.Getenv("STORE_TEST_FOLDER")})
	if err != nil {
		return err
	}
	up, err := s.NewUpload(ctx)
	if err != nil {
		return err
	}
	c, err := up.Add(strings.NewReader("a document"))
	if err != nil {
		return err
	}
	n := signing.NewOperation{
		ClientService: "c",
		Contents:      []signing.Content{c},
		Request:       signing.Request{Documents: make([]signing.DocumentRequest, 1)},
	}
	fmt.Println("MARK begin")
	op, err := s.Create(ctx, up, n)
	if err != nil {
		return err
	}
	fmt.Println("MARK created")
	refs := []signing.Ref{{Operation: op.ID}}
	if err := s.SavePrepared(ctx, preparedFor(refs, 10)); err != nil {
		return err
	}
	fmt.Println("MARK prepared")
	if err := s.BeginCall(ctx, signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}); err != nil {
		return err
	}
	fmt.Println("MARK sent")
	if err := s.EndCall(ctx, "call", [][]byte{[]byte("value")}); err != nil {
		return err
	}
	fmt.Println("MARK valued")
	result := signing.DocumentResult{Ref: refs[0], Section: make([]byte, 100_000)}
	if err := s.FinishDocuments(ctx, []signing.DocumentResult{result}); err != nil {
		return err
	}
	fmt.Println("MARK signed")
	table := s.Claims(0)
	if _, err := table.Swap(ctx, claimed(1, 1).Key, 0, claimed(1, 1)); err != nil {
		return err
	}
	fmt.Println("MARK claimed")
	if _, err := table.Save(ctx, &keyhome.State{Clock: 1}, []keyhome.Claim{claimed(2, 1).Claim}); err != nil {
		return err
	}
	fmt.Println("MARK saved")
	if err := orderOfFreeCall(ctx, s); err != nil {
		return err
	}
	return s.Close()
}

// orderOfFreeCall takes another operation through a call whose signatures are free.
func orderOfFreeCall(ctx context.Context, s *store.Store) error {
	up, err := s.NewUpload(ctx)
	if err != nil {
		return err
	}
	c, err := up.Add(strings.NewReader("another document"))
	if err != nil {
		return err
	}
	op, err := s.Create(ctx, up, signing.NewOperation{
		ClientService: "c",
		Contents:      []signing.Content{c},
		Request:       signing.Request{ExternalReference: "free", Documents: make([]signing.DocumentRequest, 1)},
	})
	if err != nil {
		return err
	}
	refs := []signing.Ref{{Operation: op.ID}}
	fmt.Println("MARK free")
	if err := s.SavePrepared(ctx, preparedFor(refs, 10)); err != nil {
		return err
	}
	if err := s.BeginCall(ctx, signing.CallRecord{ID: "free", Credential: "local", Refs: refs, Free: true}); err != nil {
		return err
	}
	if err := s.EndCall(ctx, "free", [][]byte{[]byte("value")}); err != nil {
		return err
	}
	fmt.Println("MARK freeValued")
	err = s.FinishDocuments(ctx, []signing.DocumentResult{{Ref: refs[0], Section: []byte("section")}})
	fmt.Println("MARK freeSigned")
	return err
}

// TestOrderOfSystemCalls checks with strace that each promise rests on fsyncs in the right order. A
// line is a system call and its file.
func TestOrderOfSystemCalls(t *testing.T) {
	tool, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is not installed")
		}
		t.Skip("strace is not installed")
	}
	folder, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	cmd := helper(t, "order", "STORE_TEST_FOLDER="+folder)
	cmd.Args = append(
		[]string{tool, "-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write"},
		cmd.Args...)
	cmd.Path = tool
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skipf("strace may not trace here: %s", out)
		}
		t.Fatalf("helper under strace = %v: %s", err, out)
	}
	raw, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	events := traceEvents(string(raw), folder)
	for _, c := range []struct{ from, to, want string }{
		{"begin", "created", "rename operations/ID.new; fsync operations/ID.new; fsync operations; " +
			"fsync metadata.db-wal; rename operations/ID"},
		{"created", "prepared", ""}, // SavePrepared needs no fsync before BeginCall
		{"prepared", "sent", "fsync metadata.db-wal"},
		{"sent", "valued", "fsync metadata.db-wal"},
		{"valued", "signed", "fsync operations/ID; fsync metadata.db-wal"},
		{"signed", "claimed", "fsync metadata.db-wal"},
		{"claimed", "saved", "fsync metadata.db-wal"},
		// A call whose signatures are free has no fsync of its own, and the next write has one.
		{"free", "freeValued", ""},
		{"freeValued", "freeSigned", "fsync metadata.db-wal"},
	} {
		_, after, _ := strings.Cut(events, "mark "+c.from)
		got, _, found := strings.Cut(after, "; mark "+c.to)
		if got = strings.TrimPrefix(got, "; "); !found || got != c.want {
			t.Errorf("between %s and %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

var (
	syncCall   = regexp.MustCompile(`f(?:data)?sync\(\d+<([^>]*)>`)
	renameCall = regexp.MustCompile(`rename\w*\(.*"([^"]*)"\)? *=`)
	renameAt   = regexp.MustCompile(`rename\w*\(.*"([^"]*)"`)
	markCall   = regexp.MustCompile(`write\(1<[^>]*>, "MARK (\w+)`)
	idName     = regexp.MustCompile(`operations/\d+`)
)

// traceEvents makes a trace readable: one event after another, with paths below the folder.
func traceEvents(raw, folder string) string {
	var events []string
	add := func(what, path string) {
		path = strings.TrimPrefix(strings.TrimPrefix(path, folder), "/")
		events = append(events, what+" "+idName.ReplaceAllString(path, "operations/ID"))
	}
	for line := range strings.Lines(raw) {
		switch {
		case markCall.MatchString(line):
			events = append(events, "mark "+markCall.FindStringSubmatch(line)[1])
		case syncCall.MatchString(line):
			add("fsync", syncCall.FindStringSubmatch(line)[1])
		case renameCall.MatchString(line):
			add("rename", renameCall.FindStringSubmatch(line)[1])
		case renameAt.MatchString(line):
			add("rename", renameAt.FindStringSubmatch(line)[1])
		}
	}
	return strings.Join(events, "; ")
}
