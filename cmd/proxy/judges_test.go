package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// signsXML checks that signed is the XML document in the file original with one insertion, and that
// all its signatures are valid. xmlsec1 judges the last one if it is installed.
func signsXML(caFile, original string, signed []byte) error {
	signatures, err := xmlSignatures(signed)
	if err != nil {
		return err
	}
	for i, s := range signatures {
		if s.Verdict != xades.Valid {
			return fmt.Errorf("signature %d is %s: %s", i+1, s.Verdict, s.Reason)
		}
	}
	if len(signatures) == 0 {
		return errors.New("it has no signature")
	}
	return judged(caFile, original, signed, ".xml", (*verify.Verifier).Signature)
}

func xmlSignatures(signed []byte) ([]xades.Signature, error) {
	return xades.Verify(context.Background(), bytes.NewReader(signed), xades.VerifyOptions{})
}

// signsFile checks a CMS signature over the file original. OpenSSL judges it too if it is
// installed.
func signsFile(caFile, original string, signed []byte, detached bool) error {
	content, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	report, err := cmsReport(content, signed, detached)
	if err != nil {
		return err
	}
	if report.Verdict() != cades.Valid || report.Attached == detached {
		return fmt.Errorf("the report is %+v", report)
	}
	extension := ".p7m"
	if detached {
		extension = ".p7s"
	}
	return judged(caFile, original, signed, extension, (*verify.Verifier).Signature)
}

func cmsReport(original, signed []byte, detached bool) (*cades.Report, error) {
	var options cades.VerifyOptions
	if detached {
		options.Content = bytes.NewReader(original)
	}
	return cades.Verify(context.Background(), bytes.NewReader(signed), options)
}

// signaturesIn returns the number of signatures in a CMS file or an XML document.
func signaturesIn(signed []byte) (int, error) {
	if bytes.HasPrefix(signed, []byte{0x30}) {
		report, err := cmsReport(nil, signed, false)
		if err != nil {
			return 0, err
		}
		return len(report.Signatures), nil
	}
	list, err := xmlSignatures(signed)
	return len(list), err
}

// signsAny checks a signed document of any type. detached says that a CMS file has no content.
func signsAny(ts *testscript.TestScript, name string, signed []byte, detached bool) error {
	caFile, original := ts.Value(stateKey{}).(*state).proxy.CAFile, ts.MkAbs(name)
	switch {
	case bytes.HasPrefix(signed, []byte("%PDF")):
		return verified(caFile, original, signed)
	case bytes.HasPrefix(signed, []byte{0x30}):
		return signsFile(caFile, original, signed, detached)
	}
	return signsXML(caFile, original, signed)
}

// TestJudgesFail checks that what is not signed does not pass for a signed document. The tests of
// package verify check that its programs find changes.
func TestJudgesFail(t *testing.T) {
	original := newFile(t, "a.xml", "<a>1</a>")
	for name, signed := range map[string]string{"not signed": "<a>1</a>", "not XML": "a"} {
		if err := signsXML("none", original, []byte(signed)); err == nil {
			t.Errorf("XML that is %s passes", name)
		}
	}
	for _, detached := range []bool{false, true} {
		if err := signsFile("none", original, []byte("0\x03\x02\x01\x01"), detached); err == nil {
			t.Error("a file that is not CMS passes")
		}
	}
}

// newFile writes a file that is removed after the test, and returns its path.
func newFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
