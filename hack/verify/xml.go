package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// lastSignature selects the last ds:Signature of a document.
const lastSignature = "(//*[local-name()='Signature' and " +
	"namespace-uri()='http://www.w3.org/2000/09/xmldsig#'])[last()]"

// xml runs all checks on an XML file that is original with one more signature.
func (v *Verifier) xml(ctx context.Context, r *Report, original, signed string) {
	v.xmlSignature(ctx, r, original, signed)
	if installed("java") {
		r.add("JDK", v.askJDK(signed))
	}
}

// xmlSignature runs the checks on an XML file that need no JDK.
func (v *Verifier) xmlSignature(ctx context.Context, r *Report, original, signed string) {
	r.add("insertion", insertion(original, signed))
	if installed("xmlsec1") {
		r.add("xmlsec1", v.xmlsec(ctx, signed))
	}
}

// askJDK starts the JDK if it is not running, and validates an XML file with it.
func (v *Verifier) askJDK(signed string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.jdk == nil {
		var err error
		if v.jdk, err = startJDK(); err != nil {
			return err.Error()
		}
	}
	return v.jdk.validate(signed)
}

// xmlsec verifies the last signature and the chain of its certificate to the CA.
func (v *Verifier) xmlsec(ctx context.Context, signed string) string {
	cmd := exec.CommandContext(ctx, "xmlsec1", "--verify", "--trusted-pem", v.ca,
		"--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties",
		"--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:KeyInfo",
		"--node-xpath", lastSignature, signed)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Sprintf("%v: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	return ""
}

// insertion checks that signed is original with bytes inserted at one place. The slash of an empty
// element may be gone, because <a/> becomes <a>…</a>. Both files are read into memory, because
// samples and tests are small.
func insertion(original, signed string) string {
	o, err := os.ReadFile(original)
	if err != nil {
		return err.Error()
	}
	s, err := os.ReadFile(signed)
	if err != nil {
		return err.Error()
	}
	head := 0
	for head < min(len(o), len(s)) && o[head] == s[head] {
		head++
	}
	rest := o[head:]
	if slash := bytes.TrimLeft(rest, " \t\r\n\x00"); len(slash) > 0 && slash[0] == '/' {
		rest = bytes.TrimLeft(slash[1:], "\x00")
	}
	switch {
	case len(s) <= len(o):
		return "nothing was added to the original"
	case len(rest) > len(s)-head || !bytes.HasSuffix(s, rest):
		return "the signed file is not the original with one insertion"
	}
	return ""
}
