package verify

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Report holds the findings about one signed file.
type Report struct {
	Asked  []string // the checks that ran
	Faults []string // empty = no check found a fault
}

func (r *Report) add(who string, fault string) {
	r.Asked = append(r.Asked, who)
	if fault != "" {
		r.Faults = append(r.Faults, who+": "+fault)
	}
}

// Err returns the faults as one error, or nil if there are none.
func (r *Report) Err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.Faults, "; "))
}

// tools lists the programs that File runs.
var tools = []string{"qpdf", "pdfsig", "certutil", "openssl", "xmlsec1", "java"}

// Missing lists the programs that File would run and that are not installed.
func Missing() []string {
	var missing []string
	for _, tool := range tools {
		if !installed(tool) {
			missing = append(missing, tool)
		}
	}
	return missing
}

// installed reports whether a program is in PATH.
func installed(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}

// Verifier checks signatures that chain to one CA. Create it with New and release it with Close. It
// is safe for concurrent use until Close.
type Verifier struct {
	// Offline says that the OCSP responder that a certificate names cannot be reached. pdfsig then
	// trusts no certificate, not even with -no-ocsp, so only OpenSSL checks that the chain ends at the
	// CA.
	Offline bool

	ca  string // PEM file
	nss string // folder with a trust database of that CA; empty if certutil is missing

	mu  sync.Mutex // protects jdk
	jdk *jdk       // nil until it is needed
}

// New prepares to check signatures that chain to the PEM certificate caFile.
func New(ctx context.Context, caFile string) (*Verifier, error) {
	v := &Verifier{ca: caFile}
	if !installed("certutil") || !installed("pdfsig") {
		return v, nil
	}
	dir, err := os.MkdirTemp("", "verify-nss-")
	if err != nil {
		return nil, fmt.Errorf("make trust database: %w", err)
	}
	v.nss = dir
	for _, args := range [][]string{
		{"-N", "-d", "sql:" + dir, "--empty-password"},
		{"-A", "-d", "sql:" + dir, "-n", "ca", "-t", "CT,C,C", "-i", caFile},
	} {
		if out, err := exec.CommandContext(ctx, "certutil", args...).CombinedOutput(); err != nil {
			v.Close()
			return nil, fmt.Errorf("make trust database: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	return v, nil
}

// Close removes the trust database and stops the JDK.
func (v *Verifier) Close() {
	if v.jdk != nil {
		v.jdk.stop()
	}
	if v.nss != "" {
		_ = os.RemoveAll(v.nss)
	}
}

// File runs all checks on signed, which is original with one more signature. The name says what it
// is: XML (.xml), CMS (.p7m, .p7s), or else PDF.
func (v *Verifier) File(ctx context.Context, original, signed string) Report {
	var r Report
	switch strings.ToLower(filepath.Ext(signed)) {
	case ".xml":
		v.xml(ctx, &r, original, signed)
	case ".p7m", ".p7s":
		v.cms(ctx, &r, original, signed)
	default:
		v.pdf(ctx, &r, original, signed)
	}
	return r
}

func (v *Verifier) pdf(ctx context.Context, r *Report, original, signed string) {
	r.add("prefix", prefix(original, signed))
	if installed("qpdf") {
		r.add("qpdf", qpdf(ctx, original, signed))
	}
	if installed("pdfsig") {
		r.add("pdfsig", v.pdfsig(ctx, signed))
	}
	if installed("openssl") {
		r.add("openssl", v.openssl(ctx, signed))
	}
}

// Signature checks only the signature with one program, OpenSSL or xmlsec1, and that nothing else
// was changed. It is faster than File, for many files.
func (v *Verifier) Signature(ctx context.Context, original, signed string) Report {
	var r Report
	switch strings.ToLower(filepath.Ext(signed)) {
	case ".xml":
		v.xmlSignature(ctx, &r, original, signed)
	case ".p7m", ".p7s":
		v.cms(ctx, &r, original, signed)
	default:
		r.add("prefix", prefix(original, signed))
		if installed("openssl") {
			r.add("openssl", v.openssl(ctx, signed))
		}
	}
	return r
}

// prefix checks that signed begins with original, byte for byte, and is longer.
func prefix(original, signed string) string {
	o, err := os.Open(original)
	if err != nil {
		return err.Error()
	}
	defer o.Close()
	s, err := os.Open(signed)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(o, a)
		if m, _ := io.ReadFull(s, b[:n]); m < n || !bytes.Equal(a[:n], b[:n]) {
			return "the signed file does not begin with the original"
		}
		if err != nil {
			break
		}
	}
	if n, _ := s.Read(b[:1]); n == 0 {
		return "nothing was added to the original"
	}
	return ""
}

var number = regexp.MustCompile(`\d+`)

// qpdf checks that the signed file has no structural fault that the original does not have. It
// compares the messages, because the exit code (2 for errors, 3 for warnings) does not tell which
// faults are new.
func qpdf(ctx context.Context, original, signed string) string {
	complaints := func(path string) map[string]bool {
		out, _ := exec.CommandContext(ctx, "qpdf", "--check", path).CombinedOutput()
		found := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			line = strings.ReplaceAll(strings.TrimSpace(line), path, "FILE")
			if strings.Contains(line, "WARNING") ||
				strings.Contains(line, "rror") && !strings.Contains(line, "No syntax") &&
					!strings.Contains(line, "errors that qpdf cannot") {
				found[number.ReplaceAllString(line, "N")] = true
			}
		}
		return found
	}
	before := complaints(original)
	for line := range complaints(signed) {
		if !before[line] {
			return line
		}
	}
	return ""
}

// pdfsig reads what poppler reports about the last signature. The text decides, because the exit
// code is 0 even for a wrong digest.
func (v *Verifier) pdfsig(ctx context.Context, signed string) string {
	args := []string{signed}
	if v.nss != "" {
		args = []string{"-nssdir", v.nss, signed}
	}
	cmd := exec.CommandContext(ctx, "pdfsig", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, bytes.TrimSpace(text))
	}
	parts := strings.Split(string(text), "Signature #")
	last := parts[len(parts)-1]
	wanted := []string{"Signature Validation: Signature is Valid.", "Total document signed"}
	if v.nss != "" && !v.Offline {
		wanted = append(wanted, "Certificate Validation: Certificate is Trusted.")
	}
	for _, want := range wanted {
		if !strings.Contains(last, want) {
			return fmt.Sprintf("no %q in: %s", want, strings.Join(strings.Fields(last), " "))
		}
	}
	return ""
}

var byteRange = regexp.MustCompile(`/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]`)

// openssl extracts the CMS of the last signature and the bytes that it covers, and verifies them
// with OpenSSL.
func (v *Verifier) openssl(ctx context.Context, signed string) string {
	dir, err := os.MkdirTemp("", "verify-cms-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	content, cms := filepath.Join(dir, "content"), filepath.Join(dir, "cms.der")
	if err := split(signed, content, cms); err != nil {
		return err.Error()
	}
	cmd := exec.CommandContext(ctx, "openssl", "cms", "-verify", "-binary", "-inform", "DER",
		"-in", cms, "-content", content, "-CAfile", v.ca, "-purpose", "any", "-out", os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Sprintf("%v: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	return ""
}

// split looks for the ByteRange that reaches the end of the file. It writes the bytes that this
// ByteRange covers to content, and the CMS in its gap to cms. A later ByteRange in the file need
// not be the newest: an earlier signature may be written again, such as usage rights in a changed
// catalog. The whole file is read into memory, because samples and tests are small.
func split(signed, content, cms string) error {
	whole, err := os.ReadFile(signed)
	if err != nil {
		return err
	}
	matches := byteRange.FindAllSubmatch(whole, -1)
	if len(matches) == 0 {
		return errors.New("no ByteRange")
	}
	var r [4]int
	for _, match := range slices.Backward(matches) {
		for i := range r {
			if r[i], err = strconv.Atoi(string(match[i+1])); err != nil {
				return fmt.Errorf("read ByteRange: %w", err)
			}
		}
		if r[2]+r[3] == len(whole) {
			break
		}
	}
	if r[0] != 0 || r[1] < 0 || r[2] < r[1]+2 || r[2]+r[3] != len(whole) {
		return fmt.Errorf("ByteRange %v does not cover the file of %d bytes except for a gap", r, len(whole))
	}
	gap := whole[r[1]:r[2]]
	if gap[0] != '<' || gap[len(gap)-1] != '>' {
		return errors.New("the gap of the ByteRange is not exactly Contents")
	}
	der, err := hex.DecodeString(string(gap[1 : len(gap)-1]))
	if err != nil {
		return fmt.Errorf("read Contents: %w", err)
	}
	covered := append(append([]byte{}, whole[:r[1]]...), whole[r[2]:]...)
	return errors.Join(os.WriteFile(content, covered, 0o600), os.WriteFile(cms, der, 0o600))
}
