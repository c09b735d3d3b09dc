package main_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

// signs checks with independent programs that signed is original with one more signature by the
// running proxy's key. After the name of the original, "detached" says that the signature is alone.
func signs(ts *testscript.TestScript, original string, signed []byte) error {
	if ts.Value(stateKey{}).(*state).proxy == nil {
		return errors.New("no proxy is running")
	}
	name, detached := strings.CutSuffix(original, " detached")
	return signsAny(ts, name, signed, detached)
}

// verified runs all checks on a PDF.
func verified(caFile, original string, signed []byte) error {
	return judged(caFile, original, signed, ".pdf", (*verify.Verifier).File)
}

// judgeTime bounds the programs that judge one file.
const judgeTime = 3 * time.Minute

// judged has the programs of package verify judge a signed file, whose type the extension says.
func judged(
	caFile, original string, signed []byte, extension string,
	ask func(*verify.Verifier, context.Context, string, string) verify.Report,
) error {
	ctx, cancel := context.WithTimeout(context.Background(), judgeTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "signed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "signed"+extension)
	if err := os.WriteFile(path, signed, 0o600); err != nil {
		return err
	}
	v, err := verify.New(ctx, caFile)
	if err != nil {
		return err
	}
	defer v.Close()
	report := ask(v, ctx, original, path)
	return report.Err()
}

// TestVerifiersAreInstalled fails in CI if one of the programs that verify signed documents is not
// installed. The other tests skip the checks of a missing program.
func TestVerifiersAreInstalled(t *testing.T) {
	missing := verify.Missing()
	switch {
	case len(missing) == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("not installed: %s (hack/install-tools)", strings.Join(missing, ", "))
	default:
		t.Skipf("not installed, so signed files are not checked with: %s", strings.Join(missing, ", "))
	}
}

func TestParseBlocks(t *testing.T) {
	blocks, err := parseBlocks(
		"### one\nPOST a/b\nX: y\n\n{\n\n}\n\nHTTP 200\nA: b\n\n" +
			"### two\nGET /c\n\nHTTP 404 eventually\n# why\nbody lacks x\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	one, two := blocks[0], blocks[1]
	if one.method != "POST" || one.path != "a/b" || one.body != "{\n\n}" || one.code != 200 || one.eventually ||
		!slices.Equal(one.want, []string{"A: b"}) ||
		!slices.Equal(one.headers, []header{{"X", "y"}}) {
		t.Errorf("first block is %+v", one)
	}
	if two.method != "GET" || two.path != "/c" || two.body != "" || two.code != 404 || !two.eventually ||
		!slices.Equal(two.want, []string{"body lacks x"}) {
		t.Errorf("second block is %+v", two)
	}
}

// TestAssertionsFail checks that each assertion of the scripts can fail.
func TestAssertionsFail(t *testing.T) {
	a := &answer{header: map[string][]string{"X": {"y"}}, body: []byte(`{"a":[{"b":1}]}`)}
	a.json = map[string]any{"a": []any{map[string]any{"b": 1}}}
	for _, holds := range []string{
		".a[0].b = 1", ".a count 1", ".c absent", ".a[1] absent", ".a[0].b ~ ^1$", "X: ^y$", "no Z", "body lacks q",
		". exists",
	} {
		if err := a.assert(nil, holds); err != nil {
			t.Errorf("%s: %v, want it to hold", holds, err)
		}
	}
	for _, fails := range []string{
		".a[0].b = 2", ".a count 2", ".a absent", ".c exists", ".a[0].b ~ 2", "X: z", "no X", "body lacks a",
		"nonsense", ".a nonsense", "body nonsense",
	} {
		if err := a.assert(nil, fails); err == nil {
			t.Errorf("%s holds, want a fault", fails)
		}
	}
}
