package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// judgeTime bounds one program that judges a signature.
const judgeTime = 3 * time.Minute

// signsXML checks that signed is the XML document original with one insertion, and that its last
// signature is valid: xmlsec1 judges it if it is installed.
func signsXML(original, signed []byte) error {
	if err := oneInsertion(original, signed); err != nil {
		return err
	}
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
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		return nil // TestVerifiersAreInstalled fails in CI
	}
	path, remove, err := temporary(signed)
	if err != nil {
		return err
	}
	defer remove()
	const last = "(//*[local-name()='Signature' and namespace-uri()='http://www.w3.org/2000/09/xmldsig#'])[last()]"
	return run(program, "--verify", "--insecure", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties",
		"--node-xpath", last, path)
}

func xmlSignatures(signed []byte) ([]xades.Signature, error) {
	return xades.Verify(context.Background(), bytes.NewReader(signed), xades.VerifyOptions{})
}

// emptyElement is what may be left out of a document: the end of an empty element's tag.
var emptyElement = regexp.MustCompile(`^\s*/$`)

// oneInsertion checks that signed is original with one insertion. The slash of an empty element may
// be left out.
func oneInsertion(original, signed []byte) error {
	head := 0
	for head < len(original) && head < len(signed) && original[head] == signed[head] {
		head++
	}
	tail := 0
	for tail < len(original)-head && original[len(original)-1-tail] == signed[len(signed)-1-tail] {
		tail++
	}
	if rest := original[head : len(original)-tail]; len(rest) > 0 && !emptyElement.Match(rest) {
		return fmt.Errorf("it is not the original with one insertion: %.60q is missing at byte %d", rest, head)
	}
	return nil
}

// signsFile checks a CMS signature over original with OpenSSL, and with our own verifier if OpenSSL
// is not installed.
func signsFile(caFile string, original, signed []byte, detached bool) error {
	report, err := cmsReport(original, signed, detached)
	if err != nil {
		return err
	}
	if report.Verdict() != cades.Valid || report.Attached == detached {
		return fmt.Errorf("the report is %+v", report)
	}
	program, err := exec.LookPath("openssl")
	if err != nil {
		return nil // TestVerifiersAreInstalled fails in CI
	}
	folder, err := os.MkdirTemp("", "cms-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	in, content, out := filepath.Join(folder, "in"), filepath.Join(folder, "content"), filepath.Join(folder, "out")
	if err := errors.Join(os.WriteFile(in, signed, 0o600), os.WriteFile(content, original, 0o600)); err != nil {
		return err
	}
	args := []string{"cms", "-verify", "-binary", "-cades", "-purpose", "any", "-inform", "DER", "-in", in,
		"-CAfile", caFile, "-out", out}
	if detached {
		args = append(args, "-content", content)
	}
	if err := run(program, args...); err != nil {
		return err
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, original) {
		return fmt.Errorf("the content has %d bytes that are not those of the original: %w", len(got), err)
	}
	return nil
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

// temporary writes a file that remove removes.
func temporary(content []byte) (path string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "judged-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(folder, "signed")
	return path, func() { _ = os.RemoveAll(folder) }, os.WriteFile(path, content, 0o600)
}

// run runs a program, which must exit with 0.
func run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), judgeTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
	}
	return nil
}

// signsAny checks a signed document of any type. detached says that a CMS file has no content.
func signsAny(ts *testscript.TestScript, original string, signed []byte, detached bool) error {
	caFile := ts.Value(stateKey{}).(*state).proxy.CAFile
	content, err := os.ReadFile(ts.MkAbs(original))
	switch {
	case err != nil:
		return err
	case bytes.HasPrefix(signed, []byte("%PDF")):
		return verified(caFile, ts.MkAbs(original), signed)
	case bytes.HasPrefix(signed, []byte{0x30}):
		return signsFile(caFile, content, signed, detached)
	}
	return signsXML(content, signed)
}

// TestJudgesFail checks that what is not signed, or was changed, does not pass for a signed
// document.
func TestJudgesFail(t *testing.T) {
	original := []byte("<a>1</a>")
	for name, signed := range map[string]string{
		"not signed":             "<a>1</a>",
		"changed":                "<a>2<b/></a>",
		"something else is lost": "<a><b/></a>",
		"not XML":                "a",
	} {
		if err := signsXML(original, []byte(signed)); err == nil {
			t.Errorf("XML that is %s passes", name)
		}
	}
	if err := oneInsertion([]byte("<a />"), []byte("<a><b/></a>")); err != nil {
		t.Errorf("an empty element that got content: %v", err)
	}
	for _, detached := range []bool{false, true} {
		if err := signsFile("none", original, []byte("0\x03\x02\x01\x01"), detached); err == nil {
			t.Error("a file that is not CMS passes")
		}
	}
}
